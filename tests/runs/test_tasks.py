"""Runs that predict several labels or numbers, from a CSV file to the page and the export."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.special import expit

from keras_transfer import data, runs
from keras_transfer.calibration.temperature_scaling import apply_temperature
from keras_transfer.cli.main import main
from keras_transfer.freezing import FreezeAll
from keras_transfer.heads import SigmoidHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits as head_logits
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs.label_task import LabelTask
from keras_transfer.runs.tasks import task_of
from tests.networks import residual_backbone
from tests.runs.pages import Page

PLAN = Plan([Phase(FreezeAll(), 12, 3e-2, name="head")], ["Short."])
LABELS = ("bright", "left")


def write_photos(root, number=60):
    """Images that are bright or not and have a line on the left or not, and a table of both."""
    random = np.random.default_rng(0)
    (root / "photos").mkdir()
    rows = []
    for index in range(number):
        tone, left = random.uniform(20, 200), index % 3 == 0
        image = random.normal(tone, 12, (16, 16, 3))
        image[:, 2:4] += 90 * left
        name = f"{index:02d}.png"
        Image.fromarray(np.clip(image, 0, 255).astype("uint8")).save(root / "photos" / name)
        names = [name for name, is_so in zip(LABELS, (tone > 100, left), strict=True) if is_so]
        split = "test" if index % 4 == 1 else "train"
        rows.append([name, ";".join(names) or "", f"{1000 + 10 * tone:.1f}", split])
    with open(root / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([["image", "tags", "price", "split"], *rows])
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a run for each task."""
    root = write_photos(tmp_path_factory.mktemp("tasks"))
    for name, column in {"labels": "tags", "numbers": "price"}.items():
        keras.utils.set_random_seed(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *arguments, **more: None)
            runs.fit(
                root / "photos", residual_backbone(size=16), root / name, plan=PLAN, verbose=0,
                labels=root / "labels.csv", targets=column,
            )  # fmt: skip
    return root


@pytest.fixture(params=["labels", "numbers"])
def run(root, request):
    return runs.Run(root / request.param)


def test_a_run_measures_its_task(root):
    labels = runs.Run(root / "labels").metrics
    assert labels["test"]["images"] == 15 and set(labels["test"]["labels"]) == set(LABELS)
    assert labels["test"]["mean_average_precision"] > labels["test"]["chance"]
    assert labels["test"]["threshold"] == labels["threshold"] == pytest.approx(0.5, abs=0.48)
    numbers = runs.Run(root / "numbers").metrics
    price = numbers["test"]["numbers"]["price"]
    assert price["mae"] < price["baseline_mae"] and price["r2"] > 0
    assert price["mae_interval"][0] < price["mae"] < price["mae_interval"][1]
    assert (
        numbers["temperature"] is None
        and "threshold" not in numbers
        and 1 <= numbers["best_epoch"] <= 12
    )


def test_each_label_has_its_temperature():
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (120, 3))
    # Overconfident: the true logits are half as large.
    labels = (random.random((120, 3)) < expit(logits / 2)).astype("float32")
    labels[:, 2] = np.arange(120) < 10  # too few
    found = LabelTask().temperature(logits, labels)
    assert found[2] == 1 and all(1.2 < one < 4 for one in found[:2])
    assert LabelTask().temperature(None, None) is None
    assert LabelTask().temperature(logits[:, 2:], labels[:, 2:]) is None


def test_temperatures_are_in_the_weights():
    model = TransferModel(residual_backbone("tf"), SigmoidHead(2))
    images = np.random.default_rng(0).uniform(0, 255, (9, 16, 16, 3)).astype("float32")
    before = head_logits(model, images)
    apply_temperature(model, [2.0, 0.5])
    expected = LabelTask().outputs_of(before, [2.0, 0.5])
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-6)


def test_saved_predictions_are_those_of_the_model(run):
    found = run.predictions["test"]
    predicted = run.predict(found.paths)
    values = predicted.values if run.task.name == "numbers" else predicted.probabilities
    np.testing.assert_allclose(values, found.outputs, rtol=1e-4, atol=1e-5)
    assert found.labels.shape == found.outputs.shape == (15, len(run.class_names))


def test_evaluate_measures_what_the_run_did(root, run, capsys):
    with pytest.raises(ValueError, match=r"name one with `labels` \(--labels FILE\)"):
        run.evaluate(root / "photos")
    arguments = [root / "photos", "--labels", root / "labels.csv"]
    assert main(["evaluate", str(run.path), *map(str, arguments)]) == 0
    printed = capsys.readouterr().out
    assert run.task.line(run.metrics["test"]) in printed and "n = 15" in printed
    assert run.task.line(run.metrics["test"]) in run.summary()


@pytest.mark.filterwarnings("ignore::keras_transfer.data.DataWarning")
def test_other_labels_are_told(root, run):
    other = "price" if run.task.name == "labels" else "tags"
    splits = data.image_table(root / "labels.csv", 16, targets=other, directory=root / "photos")
    with pytest.raises(ValueError, match=r"The model (knows the labels|predicts the numbers)"):
        run.evaluate(splits)


def rows_of(file):
    return list(csv.DictReader(file.read_text().splitlines()))


def test_predict_writes_labels(root, capsys):
    photos, output = root / "photos", root / "labels.out.csv"
    assert main(["predict", str(root / "labels"), str(photos), "--output", str(output)]) == 0
    rows = rows_of(output)
    assert list(rows[0]) == ["image", "labels", "p(bright)", "p(left)", "error"]
    threshold = runs.Run(root / "labels").label_threshold
    for row in rows:
        expected = [name for name in LABELS if float(row[f"p({name})"]) >= threshold]
        assert row["labels"].split(";") == (expected or [""])
    assert (
        main(["predict", str(root / "labels"), str(photos), "--threshold", "0", "--json"]) == 0
    )
    assert main(["predict", str(root / "labels"), str(photos), "--threshold", "1"]) == 0
    printed = capsys.readouterr().out
    assert '"labels": ["bright", "left"], "probabilities": {"bright": ' in printed
    assert "\tno label\n" in printed


def test_predict_writes_numbers(root, capsys):
    photos, output = root / "photos", root / "numbers.out.csv"
    (root / "broken.png").write_bytes(b"none")
    arguments = [photos, root / "broken.png", "--output", output]
    assert main(["predict", str(root / "numbers"), *map(str, arguments)]) == 1
    rows = rows_of(output)
    assert list(rows[0]) == ["image", "price", "error"]
    assert 900 < float(rows[0]["price"]) < 3500 and rows[-1]["error"] and not rows[-1]["price"]
    assert main(["predict", str(root / "numbers"), str(photos / "00.png")]) == 0
    assert "00.png\tprice " in capsys.readouterr().out
    assert main(["predict", str(root / "numbers"), str(photos), "--threshold", "0.5"]) == 2
    assert (
        "predicts numbers: `threshold` (--threshold) would have no effect"
        in capsys.readouterr().err
    )


def test_the_export_names_its_outputs(run):
    served = tf.saved_model.load(str(run.path / "serving" / "1")).signatures["serving_default"]
    found = run.predictions["test"]
    answers = served(image_bytes=tf.stack([tf.io.read_file(path) for path in found.paths]))
    values, names = {"labels": ("probabilities", "labels"), "numbers": ("values", "names")}[
        run.task.name
    ]
    np.testing.assert_allclose(answers[values], found.outputs, rtol=1e-3, atol=1e-4)
    assert answers[names][0].numpy().tolist() == [name.encode() for name in run.class_names]


def test_the_page_says_what_the_run_predicts(run):
    page = Page(run.report().read_text(encoding="utf-8"))
    first = {"labels": "labels", "numbers": "numbers"}[run.task.name]
    assert list(page.text)[:4] == ["verdict", first, "gallery", "trust"]
    assert "confusion" not in page.text and "card" in page.text
    verdict, words = page.text["verdict"], "".join(page.text.values())
    if first == "labels":
        assert "is the mean average precision over 2 labels, 15 test images" in verdict
        assert "always the most frequent label" in verdict and "macro F1 at the" in verdict
        assert "no label has enough validation images" in page.text["trust"]
    else:
        assert "is the mean absolute error of price, on 15 test images; always the " in verdict
        assert "so there is nothing to calibrate" in page.text["trust"]
    assert "Nothing was chosen on the test images." in verdict
    assert "accuracy" not in page.text["card"] and "conformal" not in words
    assert sum(image.startswith("data:image/jpeg") for image in page.images) == 15


def test_what_needs_classes_is_refused_in_a_line(root, tmp_path, capsys):
    shared = ["--labels", root / "labels.csv", "--targets", "price", "--alpha", "0.35",
              "--image-size", "32", "--weights", "none"]  # fmt: skip
    for command, *more in (["audit"], ["fit", "--balance"], ["fit", "--plan", "auto"]):
        words = [command, root / "photos", "--output", tmp_path / "run", *shared, *more]
        assert main(list(map(str, words))) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert (
            "needs one class for each example. Received: images with numbers: 'price'" in error
        )
    assert not (tmp_path / "run").exists()


def test_a_folder_with_an_unknown_task_is_corrupt(root, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    content = json.loads((root / "labels" / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**content, "task": "other"}))
    (folder / "model.keras").write_bytes(b"")
    with pytest.raises(ValueError, match=r"is corrupt .*task is not one of"):
        runs.Run(folder)
    with pytest.raises(ValueError, match=r"`task` must be one of .* Received: task='other'"):
        task_of("other")
