"""Every example runs, on drawn shapes and a small network."""

import importlib.util
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image, ImageDraw

from keras_transfer import freezing, heads, models, plans
from keras_transfer.runs.folder import RunFolder
from tests.networks import residual_network

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
SIZE = 16
COLOURS = {"red": (230, 40, 40), "blue": (40, 40, 230)}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Ten pictures each of `blue_circle`, `blue_square`, `red_circle` and `red_square`."""
    folder = tmp_path_factory.mktemp("shapes")
    random = np.random.default_rng(0)
    for colour, rgb in COLOURS.items():
        for kind in ("circle", "square"):
            (folder / f"{colour}_{kind}").mkdir()
            for number in range(10):
                draw(rgb, kind, random).save(folder / f"{colour}_{kind}" / f"{number}.png")
    return folder


def draw(rgb, kind, random):
    picture = Image.new("RGB", (20, 20), tuple(int(v) for v in random.integers(0, 60, 3)))
    left, top = (int(v) for v in random.integers(0, 8, 2))
    paint = ImageDraw.Draw(picture)
    outline = paint.ellipse if kind == "circle" else paint.rectangle
    outline((left, top, left + 11, top + 11), fill=rgb)
    return picture


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network():
    return residual_network(size=SIZE)


def short_plan(epochs):
    return plans.Plan([plans.Phase(freezing.FreezeNone(), epochs, 1e-2)])


def test_every_example_is_tested_here():
    tests = pathlib.Path(__file__).read_text(encoding="utf-8")
    assert all(f'load("{path.stem}")' in tests for path in EXAMPLES.glob("*.py"))


def test_four_strategies_train_more_and_more(shapes, capsys):
    rows = load("four_strategies").main(shapes, network(), SIZE, epochs=1)
    names, accuracies, parameters = zip(*rows, strict=True)
    assert list(parameters) == sorted(set(parameters))
    assert parameters[0] == 0
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)


def test_gradual_unfreezing_ends_with_two_stages_trained(shapes):
    model, history = load("gradual_unfreezing").main(shapes, network(), SIZE, epochs=3)
    assert model.freeze_policy == freezing.UnfreezeLast(2)
    assert len(history.history["val_accuracy"]) == 3
    trained = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert {"head_output", "conv_1", "conv_2"} <= trained
    assert "conv1" not in trained


def test_several_heads_learn_the_colour(shapes):
    model, metrics = load("several_heads").main(shapes, network(), SIZE, epochs=4)
    assert set(model.heads) == {"colour", "kind", "brightness"}
    assert metrics["colour_accuracy"] > 0.5
    assert metrics["brightness_mean_absolute_error"] >= 0


@pytest.mark.optimized_graphs
def test_custom_training_loop_goes_on_after_unfreezing(shapes):
    model, losses = load("custom_training_loop").main(shapes, network(), SIZE, epochs=8)
    assert losses[-1] < losses[0]
    # 32 training pictures are one step an epoch, and the count went on across the change.
    assert int(model.optimizer.iterations) == 8
    assert model.freeze_policy == freezing.UnfreezeLast(2)


def test_embedded_model_is_saved_with_the_larger_one(shapes, tmp_path):
    module = load("embed_in_tensorflow")
    model, _ = module.main(shapes, str(tmp_path / "saved"), network(), SIZE, epochs=2)
    images = np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 3)).astype("float32")
    numbers = images.mean((1, 2)) / 255
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    expected = model.predict([images, numbers], verbose=0).argmax(-1)
    np.testing.assert_array_equal(saved.appraise(images, numbers), expected)


class Shapes(tfds.core.GeneratorBasedBuilder):
    """The drawn shapes as a dataset of TFDS."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["circle", "square"]),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(40, 0), "test": self._generate_examples(10, 1)}

    def _generate_examples(self, count, seed):
        random = np.random.default_rng(seed)
        for number in range(count):
            kind = ("circle", "square")[number % 2]
            picture = np.asarray(draw(COLOURS["red"], kind, random))
            yield number, {"image": picture, "label": kind}


def test_from_tfds_trains_on_a_builder(tmp_path):
    splits, history, accuracy = load("from_tfds").main(
        Shapes(data_dir=str(tmp_path)), network(), SIZE, plan=short_plan(2)
    )
    assert splits.class_names == ("circle", "square")
    assert splits.num_images == {"train": 32, "validation": 8, "test": 10}
    assert len(history.epoch) == 2
    assert 0 <= accuracy <= 1


@pytest.mark.optimized_graphs
def test_serve_answers_like_the_model(shapes, tmp_path, capsys):
    version, paths, answer = load("serve").main(
        shapes, tmp_path / "serving", network(), SIZE, plan=short_plan(2)
    )
    assert version == tmp_path / "serving" / "1"
    assert answer["probabilities"].shape == (len(paths), 4)
    names = np.array(sorted(folder.name for folder in shapes.iterdir()))
    labels = [label.decode() for label in answer["label"]]
    assert labels == list(names[answer["probabilities"].argmax(-1)])
    assert '{"instances": [{"image_bytes": {"b64": "' in capsys.readouterr().out


def test_cached_features_are_computed_once_for_several_heads(shapes, tmp_path, capsys):
    example = load("cached_features")
    folder = tmp_path / "cache"
    for _ in range(2):
        keras.utils.set_random_seed(0)  # the same weights, the same key
        accuracies = example.main(shapes, network(), SIZE, cache=folder, epochs=2)
    assert set(accuracies) == {0.0, 0.2, 0.5}
    printed = capsys.readouterr().out
    assert printed.count("computed in") == printed.count("read from the cache") == 2


@pytest.mark.parametrize("is_numbers", [False, True])
def test_labels_and_numbers_come_from_a_table(shapes, tmp_path, is_numbers, capsys):
    rows = ["path,targets"]
    for path in sorted(shapes.glob("*/*.png")):
        number = f"{float(path.stem) + 0.5 * path.parent.name.startswith('red')}"
        rows.append(f"{path},{number if is_numbers else path.parent.name.replace('_', ';')}")
    table = shapes / "targets.csv"
    table.write_text("\n".join(rows))
    found = load("labels_from_csv").main(table, network(), SIZE, short_plan(2))
    table.unlink()
    printed = capsys.readouterr().out
    assert ("MAE" if is_numbers else "average precision") in printed
    assert found.images in (8, 9) and printed.count("\n") == (2 if is_numbers else 5)


def test_explain_draws_what_a_run_looks_at(shapes, tmp_path, capsys):
    model = models.TransferModel(network(), heads.SoftmaxHead(4))
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run" / "model.keras")
    names = sorted(folder.name for folder in shapes.iterdir())
    RunFolder(tmp_path / "run").describe(
        {"class_names": names, "image_size": [SIZE, SIZE], "channels": 3}
    )
    figures = tmp_path / "figures"
    written, maps, forgotten = load("explain").main(tmp_path / "run", shapes, figures, 3)
    assert sorted(written) == sorted(figures.iterdir())
    assert {values.shape[:3] for values in maps.values()} == {(3, SIZE, SIZE)}
    stages = [stage.name for stage in model.backbone.stages]
    assert list(forgotten) == ["head", *reversed(stages)]
    printed = capsys.readouterr().out
    assert all(name in printed for name in [*forgotten, *map(str, written)])


def test_transferability_by_layer(tmp_path):
    example = load("transferability_by_layer")
    found = example.main(tmp_path / "figure.png", per_letter=2, num_stages=2, epochs=1)
    assert {name: len(accuracies) for name, accuracies in found.items()} == {
        "BnB": 3, "BnB+": 3, "AnB": 3, "AnB+": 3,
    }  # fmt: skip
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_copied_stages_are_those_of_the_source():
    example = load("transferability_by_layer")
    source = example.new_network(3)
    copied = example.transferred(source, 2)
    for name, same in {"conv1": True, "conv2": True, "conv3": False}.items():
        kernels = [one.get_layer(name).get_weights()[0] for one in (source, copied)]
        assert np.array_equal(*kernels) == same


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Shapes with a mask and a box each, in the folders that both examples take."""
    folder, random = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    named, rows = [], []
    for split, number in (("train", 12), ("val", 4), ("test", 4)):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(number):
            picture = draw(COLOURS["red"], "square", random)
            picture.save(folder / split / "images" / f"{index}.png")
            mask = (np.asarray(picture)[..., 0] > 150).astype("uint8")
            Image.fromarray(mask).save(folder / split / "masks" / f"{index}.png")
            rows_of, columns = np.nonzero(mask)
            left, top = int(columns.min()), int(rows_of.min())
            box = [left, top, int(columns.max()) - left + 1, int(rows_of.max()) - top + 1]
            place = {"id": len(named), "file_name": f"{split}/images/{index}.png"}
            rows.append(
                {"id": len(named), "image_id": len(named), "category_id": 1, "bbox": box}
            )
            named.append(place)
    content = {
        "images": named,
        "annotations": rows,
        "categories": [{"id": 1, "name": "square"}],
    }
    (folder / "boxes.json").write_text(json.dumps(content))
    (folder / "classes.txt").write_text("ground\nsquare\n")
    return folder


def test_segmentation_measures_each_class(scenes, capsys):
    measured = load("segmentation").main(
        scenes, scenes / "classes.txt", network(), SIZE, plan=short_plan(2)
    )
    assert measured.images == 4 and "Mean IoU of" in capsys.readouterr().out


def test_detection_measures_boxes_and_counts(scenes, capsys):
    measured = load("detection").main(
        scenes, scenes / "boxes.json", network(), SIZE, plan=short_plan(2)
    )
    assert measured.images == 4 and "AP50 of" in capsys.readouterr().out
