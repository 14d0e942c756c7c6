"""`keras-transfer find-lr`."""

import json
import shlex

import pytest

from keras_transfer.cli.inputs import next_command
from keras_transfer.cli.main import main
from keras_transfer.cli.parser import build_parser
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
    assert ("It is for the head alone" in printed) == (not more and "Next:" in printed)
    assert content["rates"][0] == pytest.approx(1e-6)
    assert content["rates"][0] < content["valley"] <= content["rates"][-1]


def test_more_stages_than_there_are_is_told(photos, tmp_path, capsys):
    arguments = ["find-lr", str(photos), "--output", str(tmp_path / "run"), *NETWORK]
    assert main([*arguments, "--unfreeze", "99"]) == 1
    assert "99" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "more", "expected"),
    [
        (["audit", "my photos", "--output", "run"], {}, "'my photos' --output run"),
        (
            ["find-lr", "photos", "--output", "run", "--unfreeze", "2", "--alpha", "0.35"],
            {"learning_rate": "5.0e-04"},
            "photos --alpha 0.35 --unfreeze 2 --learning-rate 5.0e-04 --output run",
        ),
        (
            ["find-lr", "photos", "--output", "run"],
            {"unfreeze": 0},
            "photos --unfreeze 0 --output run",
        ),
        (
            ["rank", "photos", "--output", "run", "--backbones", "VGG16", "ResNet50"],
            {"backbone": "VGG16"},
            "photos --image-size 160 --backbone VGG16 --output run",
        ),
        (
            ["probe", "photos", "--output", "run", "--cache", "c", "--on-unreadable", "skip"],
            {"truncate_at": None},
            "photos --on-unreadable skip --cache c --output run",
        ),
    ],
)
def test_the_next_command_is_complete(arguments, more, expected):
    options = build_parser().parse_args(arguments)
    line = next_command(options, **more)
    assert line == f"Next: keras-transfer fit {expected}"
    follow = build_parser().parse_args(shlex.split(line)[2:])
    assert (follow.command, follow.data) == ("fit", options.data)
