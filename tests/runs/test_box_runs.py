"""Runs that predict boxes around objects."""

import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data, runs
from keras_transfer.backbones import Backbone
from keras_transfer.calibration import per_box
from keras_transfer.calibration.box_measures import count_thresholds
from keras_transfer.cli.main import main
from keras_transfer.data.box_sets import ImageBoxes
from keras_transfer.freezing import FreezeAll, FreezeNone
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs.box_task import BoxTask
from keras_transfer.runs.evaluated_data import _boxes_beside
from tests.networks import small_application

SIZE = (64, 64)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """White squares of 20 pixels on grey, one or two in an image, with COCO boxes."""
    random, root = np.random.default_rng(0), tmp_path_factory.mktemp("cells")
    named, rows = [], []
    for index in range(24):
        pixels = random.normal(90, 4, (64, 64, 3))
        for left in ([4], [4, 40])[index % 2]:
            top = int(random.integers(0, 44))
            pixels[top : top + 20, left : left + 20] = 240
            rows.append({"id": len(rows), "image_id": index, "category_id": 5,
                         "bbox": [left, top, 20, 20]})  # fmt: skip
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(root / f"{index}.png")
        named.append({"id": index, "file_name": f"{index}.png"})
    content = {"images": named, "annotations": rows, "categories": [{"id": 5, "name": "cell"}]}
    (root / "boxes.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def run(cells, tmp_path_factory):
    keras.utils.set_random_seed(0)  # a fixture of a module comes before the seed of each test
    phases = [Phase(FreezeNone("trainable"), 35, 1e-2, augmented=False, name="all")]
    return runs.fit(
        cells, Backbone.from_model(small_application((*SIZE, 3))),
        tmp_path_factory.mktemp("out") / "run", boxes=cells / "boxes.json", batch_size=5,
        augmentation="light", plan=Plan(phases), verbose=0,
    )  # fmt: skip


def test_a_run_measures_boxes_and_counts(run):
    measured = run.metrics["validation"]
    assert measured["images"] == 5 and set(measured["classes"]) == {"cell"}
    assert measured["ap50"] > 0.1
    assert "AP50 of" in run.summary() and "error of the count" in run.summary()


def test_the_page_shows_true_and_predicted_boxes(run):
    page = (run.path / "report.html").read_text()
    assert "true boxes beside predicted ones" in page and "predicted boxes of" in page


def test_the_run_is_evaluated_again_with_its_file(run, cells):
    with pytest.warns(UserWarning, match="only the images that were not trained on"):
        found = runs.Run(run.path).evaluate(cells, boxes=cells / "boxes.json")
    assert found["classes"]["cell"] == pytest.approx(
        run.metrics["validation"]["classes"]["cell"]
    )


def test_boxes_are_found_in_the_folder_of_the_images_or_asked_for(run, cells, tmp_path):
    with pytest.warns(UserWarning, match="only the images that were not trained on"):
        found = run.evaluate(cells)
    assert found["images"] == run.metrics["validation"]["images"]
    with pytest.raises(ValueError, match=r"\(--boxes FILE\): those of.*/boxes.json'.*=None"):
        run.evaluate(tmp_path)
    outside = tmp_path / "boxes.json"
    outside.write_text("{}")
    with pytest.raises(ValueError, match=r"\(--boxes FILE\)"):
        _boxes_beside(cells, str(outside), str(cells))


def test_boxes_of_some_classes_measure_a_model():
    boxes = (ImageBoxes(((0.1, 0.1, 0.5, 0.5, 0),)), ImageBoxes(()))
    splits = types.SimpleNamespace(task="boxes", class_names=("b",), labels={"train": boxes})
    found = BoxTask().aligned(splits, "train", ("a", "b"))
    assert found[..., -1].tolist() == [[1.0], [-1.0]]
    with pytest.raises(ValueError, match=r"knows the classes 'a', 'c' of boxes. Received"):
        BoxTask().aligned(splits, "train", ("a", "c"))


def test_predict_writes_a_coco_file(run, cells, tmp_path, capsys):
    output = tmp_path / "found.json"
    images = [str(cells / f"{index}.png") for index in range(3)]
    assert main(["predict", str(run.path), *images, "--output", str(output)]) == 0
    assert "The boxes of 3 images" in capsys.readouterr().out
    content = json.loads(output.read_text())
    assert content["categories"] == [{"id": 0, "name": "cell"}] and len(content["images"]) == 3
    with pytest.warns(data.DataWarning, match="does not name them: 21 files"):
        read = data.boxes(output, 32, format="coco", images=cells, validation_split=None)
    assert read.class_names == ("cell",)
    found = run.predict(images)
    assert found.counts().shape == (3, 1) and len(found.lines()) == 3
    found.to_csv(tmp_path / "counts.csv")
    assert (tmp_path / "counts.csv").read_text().startswith("image,count(cell),error")
    assert len(run.predict([]).boxes) == 0
    assert set(found.to_json()[0]) == {"image", "boxes"}


def test_the_export_takes_bytes_and_returns_boxes(run, cells):
    path = cells / "1.png"
    served = tf.saved_model.load(str(run.path / "serving" / "1")).signatures["serving_default"]
    found = served(image_bytes=tf.constant([path.read_bytes()]))
    rows = run.predict([path]).boxes[0]
    number = int(found["num_boxes"][0])
    assert number == (rows[:, 5] >= 0).sum()
    np.testing.assert_allclose(found["boxes"][0, :number], rows[:number, :4], atol=1e-4)
    np.testing.assert_allclose(found["scores"][0, :number], rows[:number, 4], atol=1e-4)
    assert set(found["label"][0, :number].numpy()) <= {b"cell"}


def test_average_precision_is_what_the_definition_says():
    """Our own figures, at 101 recalls: the highest precision at that recall or beyond."""
    random = np.random.default_rng(0)
    true = np.full((6, 4, 5), -1.0)
    predicted = np.full((6, 12, 6), -1.0)
    for image in range(6):
        for index in range(4):
            corner = random.uniform(0, 0.6, 2)
            true[image, index] = [*corner, *(corner + random.uniform(0.25, 0.4, 2)), 0]
        for index in range(8):
            near = true[image, index % 4, :4] + random.normal(0, 0.02, 4) * (1 + index // 4)
            predicted[image, index] = [*near, random.uniform(), 0]
    own = np.mean([_own_ap(predicted, true, overlap) for overlap in np.arange(0.5, 1, 0.05)])
    measured = per_box(predicted, true, ["cell"])
    assert measured.ap50 == pytest.approx(_own_ap(predicted, true, 0.5), abs=1e-3)
    assert measured.ap == pytest.approx(own, abs=1e-3)


def _own_ap(predicted, true, overlap):
    rows = [(box[4], image, box[:4]) for image, found in enumerate(predicted) for box in found]
    taken, hits = set(), []
    for _, image, box in sorted((r for r in rows if r[0] >= 0), key=lambda row: -row[0]):
        free = [(_iou(box, one[:4]), i) for i, one in enumerate(true[image])
                if (image, i) not in taken]  # fmt: skip
        best = max(free, default=(0, 0))
        hits.append(best[0] >= overlap - 1e-9)
        if hits[-1]:
            taken.add((image, best[1]))
    found = np.cumsum(hits)
    precision, recall = (
        found / np.arange(1, len(hits) + 1),
        found / true.shape[0] / true.shape[1],
    )
    return np.mean([precision[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)])


def _iou(one, other):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def test_the_threshold_of_each_class_counts_best():
    true = np.array([[[0, 0, 1, 1, kind] for kind in (0, 1, 1)]] * 2)
    scores = (0.7, 0), (0.4, 0), (0.3, 1), (0.2, 1)
    rows = [[0, 0, 1, 1, score, kind] for score, kind in scores]
    predicted = np.array([rows] * 2)
    first, second, absent = count_thresholds(predicted, true, 3)
    assert 0.4 < first <= 0.7 and second <= 0.2 and 0 < absent < 1
    measured = per_box(predicted, true, ["a", "b", "c"], [first, second, absent])
    assert [one.count_error for one in measured.classes] == [0.0, 0.0, 0.0]
    assert [one.threshold for one in measured.classes] == [first, second, absent]


def test_the_measures_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="at least one true box"):
        per_box(np.zeros((1, 1, 6)), np.full((1, 1, 5), -1.0), ["cell"])
    with pytest.raises(ValueError, match="Received"):
        per_box(np.zeros((1, 1, 5)), np.zeros((1, 1, 5)), ["cell"])


def test_a_folder_of_yolo_is_no_folder_of_texts(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_transfer.serving.export", lambda *arguments, **more: None)
    random = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (tmp_path / "cells" / folder).mkdir(parents=True)
    for index in range(4):
        pixels = random.integers(0, 255, (64, 64, 3), "uint8")
        Image.fromarray(pixels).save(tmp_path / "cells" / "images" / f"{index}.png")
        (tmp_path / "cells" / "labels" / f"{index}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    plan = Plan([Phase(FreezeAll(), 1, 1e-3, augmented=False, name="head")])
    run = runs.fit(
        tmp_path / "cells", Backbone.from_model(small_application((*SIZE, 3))),
        tmp_path / "run", boxes=tmp_path / "cells", box_format="yolo", batch_size=2,
        plan=plan, verbose=0,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="only the images that were not trained on"):
        assert run.evaluate(tmp_path / "cells")["images"] == 1
