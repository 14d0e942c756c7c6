"""Runs that predict a class for each pixel."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data, runs
from keras_transfer.backbones import Backbone
from keras_transfer.cli.main import main
from keras_transfer.freezing import FreezeAll
from keras_transfer.plans import Phase, Plan
from tests.networks import small_application

SIZE, NAMES = (32, 48), ("field", "road")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Bright roads on dark fields, in three splits, with masks; 9 where nothing is known."""
    random, root = np.random.default_rng(0), tmp_path_factory.mktemp("scenes")
    for split, number in (("train", 16), ("val", 6), ("test", 6)):
        for folder in ("images", "masks"):
            (root / split / folder).mkdir(parents=True)
        for index in range(number):
            mask = np.zeros((40, 60), "uint8")
            mask[:, random.integers(10, 25) : random.integers(35, 50)] = 1
            pixels = 60 + 130 * mask[..., None] + random.normal(0, 10, (40, 60, 3))
            mask[:2] = 9
            image = Image.fromarray(pixels.clip(0, 255).astype("uint8"))
            image.save(root / split / "images" / f"{index}.jpg")
            Image.fromarray(mask).save(root / split / "masks" / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    phases = [Phase(FreezeAll(), 8, 1e-2, views=1, augmented=False, name="head")]
    return runs.fit(
        scenes, Backbone.from_model(small_application((*SIZE, 3))),
        tmp_path_factory.mktemp("out") / "run", masks="masks", classes=NAMES, ignore_class=9,
        augmentation="light", batch_size=4, plan=Plan(phases), verbose=0,
    )  # fmt: skip


def test_a_run_measures_each_class(run):
    measured = run.metrics["test"]
    assert measured["images"] == 6 and set(measured["classes"]) == set(NAMES)
    assert measured["mean_iou"] > 0.6
    # The confusion counts the pixels that are known: 38 of 40 rows, in the model's size.
    assert sum(map(sum, measured["confusion"])) == pytest.approx(
        6 * 32 * 48 * 38 / 40, rel=0.02
    )
    assert "Mean IoU of" in run.summary() and "road" in run.summary()


def test_the_page_shows_the_worst_masks_beside_the_truth(run):
    page = (run.path / "report.html").read_text()
    for words in ("Confusion of pixels (test set)", "predicted mask of", "mean intersection"):
        assert words in page
    assert page.count("true mask of") == 6


def test_a_run_is_opened_and_evaluated_again(run, scenes):
    again = runs.Run(run.path)
    found = again.evaluate(scenes)
    assert found["confusion"] == [list(row) for row in run.metrics["test"]["confusion"]]
    other = data.mask_folder(
        scenes / "test", "masks", SIZE, classes=("sky", "sea"), ignore_class=9
    )
    with pytest.raises(ValueError, match="knows the classes 'field', 'road' of masks"):
        again.evaluate(other)


def test_predicted_masks_are_written_in_the_size_of_the_images(run, scenes, tmp_path, capsys):
    images, output = scenes / "test" / "images", tmp_path / "predicted"
    assert main(["predict", str(run.path), str(images), "--output", str(output)]) == 0
    assert "6 masks in" in capsys.readouterr().out
    written = sorted(output.iterdir())
    assert [path.name for path in written] == [f"{index}.png" for index in range(6)]
    with Image.open(written[0]) as mask:
        assert mask.size == (60, 40) and mask.mode == "P"
        true = np.asarray(Image.open(scenes / "test" / "masks" / "0.png"))
        assert np.mean(np.asarray(mask)[2:] == true[2:]) > 0.7
    # The same names in another folder do not overwrite each other.
    twice = run.predict([images / "0.jpg", scenes / "val" / "images" / "0.jpg"])
    assert [path.name for path in twice.save(tmp_path / "two")] == ["0.png", "0_2.png"]


def test_predictions_say_the_share_of_each_class(run, scenes, tmp_path):
    found = run.predict(scenes / "test" / "images")
    ((first, *_),) = [found.to_json()]
    assert sum(first["shares"].values()) == pytest.approx(1)
    assert "road " in found.lines()[0]
    found.to_csv(tmp_path / "shares.csv")
    header = (tmp_path / "shares.csv").read_text().splitlines()[0]
    assert header == "image,share(field),share(road),error"
    assert len(run.predict([]).masks) == 0


def test_the_export_takes_bytes_and_returns_the_mask_and_its_file(run, scenes):
    path = scenes / "test" / "images" / "0.jpg"
    served = tf.saved_model.load(str(run.path / "serving" / "1")).signatures["serving_default"]
    found = served(image_bytes=tf.constant([path.read_bytes()]))
    np.testing.assert_array_equal(
        tf.io.decode_png(found["mask_png"][0])[..., 0], found["mask"][0]
    )
    assert np.mean(found["mask"][0] == run.predict([path]).masks[0]) > 0.999


def test_options_of_masks_need_masks(scenes, tmp_path):
    with pytest.raises(ValueError, match=r"Images without masks have no `ignore_class`"):
        runs.fit(scenes, output=tmp_path / "run", ignore_class=9, weights=None)
    with pytest.raises(ValueError, match=r"Images with masks have no `targets`"):
        runs.fit(scenes, output=tmp_path / "run", masks="masks", targets="x", weights=None)


def test_a_foreign_run_with_masks_that_do_not_fit_is_corrupt(run, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    arrays = dict(np.load(copy / "predictions.npz"))
    arrays["test-true"] = arrays["test-true"][:, :3]
    np.savez(copy / "predictions.npz", **arrays)
    with pytest.raises(ValueError, match="the masks of 'test' do not fit"):
        _ = runs.Run(copy).predictions
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["test"]["confusion"] = [[1]]
    (copy / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(ValueError, match="does not fit the classes"):
        _ = runs.Run(copy).metrics


def test_images_that_cannot_be_read_are_rows_without_shares(run, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    run.predict([tmp_path / "broken.png"]).to_csv(tmp_path / "shares.csv")
    header, row = (tmp_path / "shares.csv").read_text().splitlines()
    assert header == "image,share(field),share(road),error"
    assert "broken.png,,," in row
