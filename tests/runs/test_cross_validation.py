"""Cross-validation of a whole run."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_transfer import freezing, plans, runs
from keras_transfer.cli.main import main
from keras_transfer.runs.folds import _pooled_groups
from keras_transfer.runs.predictions import (
    Predictions,
    read_predictions,
    write_predictions,
)
from tests.networks import residual_backbone, small_application
from tests.pictures import colour_folder

PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2, name="head")])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("folds") / "photos", ["train"], 8)


def cross_validate(data, output, **arguments):
    backbone = residual_backbone(size=16)
    return runs.cross_validate(data, backbone, output, 2, plan=PLAN, verbose=0, **arguments)


@pytest.fixture(scope="module")
def validated(data, tmp_path_factory):
    """A finished cross-validation: `(folder, what was found)`."""
    folder = tmp_path_factory.mktemp("validated") / "run"
    return folder, cross_validate(data, folder)


def test_each_image_is_tested_once(data, validated):
    folder, found = validated
    assert found.num_images == (12, 12)
    assert found.values["accuracy"] == pytest.approx(sum(found.folds["accuracy"]) / 2)
    low, high = found.intervals["accuracy"]
    assert low <= found.values["accuracy"] <= high
    assert json.loads((folder / "folds.json").read_text()) == json.loads(
        json.dumps(found.to_json())
    )
    first = runs.Run(folder / "fold-1")
    # Its own images are divided as in the training.
    assert first.evaluate(data)["accuracy"] == pytest.approx(found.folds["accuracy"][0])


def test_finished_folds_are_not_repeated(data, validated, monkeypatch):
    folder, first = validated
    monkeypatch.setattr("keras_transfer.runs.folds.fit", None)
    assert cross_validate(data, folder) == first
    with pytest.raises(FileExistsError, match="holds another run"):
        runs.cross_validate(data, output=folder, folds=3)


@pytest.mark.exhaustive
def test_the_command_prints_the_folds(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(keras.applications, "MobileNetV2", small_application)
    arguments = ["fit", data, "--output", tmp_path / "run", "--alpha", 0.35, "--image-size", 32,
                 "--weights", "none", "--unfreeze", 0, "--epochs", 1, "--folds", 2]  # fmt: skip
    assert main(list(map(str, arguments))) == 0
    printed = capsys.readouterr()
    assert "fold  examples  accuracy" in printed.out
    assert "in 2 folds. Each example was tested once" in printed.out
    assert "1 epoch in 1 phase:" in printed.out
    assert f"The run of each fold is in {tmp_path / 'run'}." in printed.out
    assert main(["predict", str(tmp_path / "run"), "a.png"]) == 1
    assert "holds a cross-validation, with a run for each fold" in capsys.readouterr().err


def test_the_command_hides_what_tensorflow_says_about_traces():
    code = (
        "import sys; sys.argv = ['keras-transfer', 'backbones']\n"
        "from keras_transfer.cli.main import main\n"
        "main()\n"
        "import tensorflow as tf\n"
        "tf.get_logger().warning('retracing')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "retracing" not in done.stderr


@pytest.mark.parametrize("folds", [1, "5"])
def test_wrong_numbers_are_refused(tmp_path, folds):
    with pytest.raises(ValueError, match="integer of at least 2"):
        runs.cross_validate(tmp_path, folds=folds)


@pytest.mark.parametrize(
    ("task", "cells", "measure"),
    [
        pytest.param(
            "labels",
            ["dark;red", "red", "dark", "dark"],
            "mean average precision",
            marks=pytest.mark.exhaustive,
        ),
        ("numbers", ["0.5", "1.5", "2.5", "3.5"], "mean absolute error of 'value'"),
    ],
)
def test_labels_and_numbers_are_cross_validated(data, tmp_path, task, cells, measure):
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    lines = [f"{name},{cells[place % 4]}" for place, name in enumerate(names)]
    (data.parent / "values.csv").write_text("\n".join(["path,value", *lines]))
    found = cross_validate(data, tmp_path / "run", labels=data.parent / "values.csv", task=task)
    assert sum(found.num_images) == len(names) and measure in found.values
    low, high = found.intervals[measure]
    assert low <= found.values[measure] <= high
    assert measure in found.conclusion.lower() and found.rows()[0][2] == measure
    assert json.loads(json.dumps(found.to_json())) == json.loads(
        (tmp_path / "run" / "folds.json").read_text()
    )


def test_groups_of_folds_are_others():
    tested = [
        Predictions("test", None, None, (), groups=np.array(one)) for one in ([0, 0], [0, 1])
    ]
    assert _pooled_groups(tested).tolist() == [0, 0, 1, 2]
    assert _pooled_groups([*tested, Predictions("test", None, None, ())]) is None


@pytest.mark.parametrize("groups", [[0, 1], [0.5, 1.5, 2.5]])
def test_groups_of_a_file_must_fit(groups, tmp_path):
    outputs = np.eye(3, dtype="float32")
    one = Predictions("test", outputs, np.arange(3), (), groups=np.array(groups))
    write_predictions(tmp_path / "predictions.npz", [one])
    with pytest.raises(ValueError, match="the groups of 'test' do not fit"):
        read_predictions(tmp_path / "predictions.npz")
