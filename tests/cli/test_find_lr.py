"""`keras-transfer find-lr`."""

import json

import pytest

from keras_transfer.cli.main import main
from tests.pictures import colour_folder

NETWORK = ["--alpha", "0.35", "--weights", "none", "--image-size", "32"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("data") / "photos")


@pytest.mark.parametrize("more", [[], ["--unfreeze", "1", "--batch-size", "9"]], ids=str)
def test_find_lr_prints_a_table_and_writes_it(photos, tmp_path, capsys, more):
    run = tmp_path / "run"
    assert main(["find-lr", str(photos), "--output", str(run), *NETWORK, *more]) == 0
    names = {f"find-lr.{suffix}" for suffix in ("json", "md", "png")}
    assert {path.name for path in run.iterdir()} == names
    assert (run / "find-lr.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "find-lr.md").read_text().startswith("| learning rate | loss |")
    content = json.loads((run / "find-lr.json").read_text())
    printed = capsys.readouterr().out
    assert content["conclusion"] in printed and "valley" in printed
    assert content["rates"][0] == pytest.approx(1e-6)
    assert content["rates"][0] < content["valley"] <= content["rates"][-1]


def test_more_stages_than_there_are_is_told(photos, tmp_path, capsys):
    arguments = ["find-lr", str(photos), "--output", str(tmp_path / "run"), *NETWORK]
    assert main([*arguments, "--unfreeze", "99"]) == 1
    assert "99" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
