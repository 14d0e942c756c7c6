"""Cross-validation of a whole run."""

import json

import pytest

from keras_transfer import freezing, plans, runs
from keras_transfer.cli.main import main
from tests.networks import residual_backbone
from tests.pictures import colour_folder

PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2, name="head")])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("folds") / "photos", ["train"], 8)


def cross_validate(data, output, **arguments):
    backbone = residual_backbone(size=16)
    return runs.cross_validate(data, backbone, output, 2, plan=PLAN, verbose=0, **arguments)


def test_each_image_is_tested_once(data, tmp_path):
    found = cross_validate(data, tmp_path / "run")
    assert found.num_images == (12, 12)
    assert found.accuracy == pytest.approx(sum(found.accuracies) / 2)
    assert found.interval[0] <= found.accuracy <= found.interval[1]
    assert json.loads((tmp_path / "run" / "folds.json").read_text()) == json.loads(
        json.dumps(found.to_json())
    )
    first = runs.Run(tmp_path / "run" / "fold-1")
    # Its own images are divided as in the training.
    assert first.evaluate(data)["accuracy"] == pytest.approx(found.accuracies[0])


def test_finished_folds_are_not_repeated(data, tmp_path, monkeypatch):
    first = cross_validate(data, tmp_path / "run")
    monkeypatch.setattr("keras_transfer.runs.folds.fit", None)
    assert cross_validate(data, tmp_path / "run") == first
    with pytest.raises(FileExistsError, match="holds another run"):
        runs.cross_validate(data, output=tmp_path / "run", folds=3)


def test_the_command_prints_the_folds(data, tmp_path, capsys):
    arguments = ["fit", data, "--output", tmp_path / "run", "--alpha", 0.35, "--image-size", 32,
                 "--weights", "none", "--unfreeze", 0, "--epochs", 1, "--folds", 2]  # fmt: skip
    assert main(list(map(str, arguments))) == 0
    out = capsys.readouterr().out
    assert "fold  images  accuracy" in out
    assert "in 2 folds. Each image was tested once" in out


@pytest.mark.parametrize("folds", [1, "5"])
def test_wrong_numbers_are_refused(tmp_path, folds):
    with pytest.raises(ValueError, match="integer of at least 2"):
        runs.cross_validate(tmp_path, folds=folds)
