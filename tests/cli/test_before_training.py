"""The commands that look before a training."""

import json
import os

import pytest
from matplotlib.figure import Figure

from keras_transfer._text import markdown_table
from keras_transfer.cli import rank
from keras_transfer.cli.main import main
from keras_transfer.plans import Plan
from keras_transfer.runs.output_folder import check_output, write_findings
from tests.pictures import colour_folder

SMALL = ["--image-size", "32"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("data") / "photos")


def check_findings(run, command):
    names = {f"{command}.{suffix}" for suffix in ("json", "md", "png")}
    assert {path.name for path in run.iterdir()} == names
    assert (run / f"{command}.png").read_bytes().startswith(b"\x89PNG")
    assert (run / f"{command}.md").read_text().startswith("| ")
    return json.loads((run / f"{command}.json").read_text())


def test_rank_prints_a_table_and_writes_it(photos, tmp_path, capsys):
    one = "MobileNetV2,alpha=0.35,weights=none"
    arguments = ["rank", photos, "--backbones", one, "--random-twins", "--output"]
    assert main([*map(str, arguments), str(tmp_path / "run"), *SMALL]) == 0
    printed = capsys.readouterr().out
    content = check_findings(tmp_path / "run", "rank")
    names = [candidate["name"] for candidate in content["candidates"]]
    assert sorted(names) == ["MobileNetV2 0.35", "MobileNetV2 0.35 (random)"]
    assert content["num_images"] == 18
    assert all(name in printed for name in names)


@pytest.mark.parametrize(
    ("backbone", "told"),
    [
        ("MobileNetV2,alpha", "written as NAME"),
        ("MobileNetV2,alpha=wide", "must be a number"),
        ("MobileNetV2,depth=3", "takes alpha, weights and classifier"),
        ("MobileNetV2,classifier=absent.h5,weights=none", "no weights file 'absent.h5'"),
    ],
)
def test_rank_tells_what_is_wrong_with_a_backbone(photos, tmp_path, capsys, backbone, told):
    arguments = [
        "rank",
        str(photos),
        "--backbones",
        backbone,
        "--output",
        str(tmp_path / "run"),
    ]
    assert main([*arguments, *SMALL]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_probe_prints_a_table_and_says_where_to_cut(photos, tmp_path, capsys):
    arguments = ["probe", str(photos), "--alpha", "0.35", "--weights", "none", "--output"]
    assert main([*arguments, str(tmp_path / "run"), *SMALL]) == 0
    content = check_findings(tmp_path / "run", "probe")
    assert [stage["stage"] for stage in content["stages"]] == [f"stage{i}" for i in range(1, 6)]
    assert content["conclusion"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "place"), [("probe", ""), ("probe", "run"), ("fit", "run")]
)
def test_results_do_not_go_into_the_pictures(photos, capsys, command, place):
    before = sorted(photos.rglob("*"))
    assert main([command, str(photos), "--output", str(photos / place), *SMALL]) == 1
    assert "would count as a class" in capsys.readouterr().err
    assert sorted(photos.rglob("*")) == before


def test_a_file_in_the_place_of_the_results_is_told_at_once(photos, tmp_path, capsys):
    (tmp_path / "file").write_text("kept")
    for output in ("file", "file/run"):
        arguments = ["recommend", str(photos), "--output", str(tmp_path / output), *SMALL]
        assert main(arguments) == 1
        printed = capsys.readouterr()
        assert "is a file; nothing was overwritten" in printed.err
        assert not printed.out
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_cannot_be_written_into_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=f"Nothing can be written into '{tmp_path}'"):
        check_output(tmp_path / "run" / "deeper")


def test_findings_are_written_all_or_none(tmp_path, monkeypatch):
    run = tmp_path / "run"
    written = write_findings(run, "probe", {"a": 1}, "text", Figure())
    before = [path.read_bytes() for path in written]
    assert json.loads(before[0]) == {"a": 1}

    def fail(figure, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_transfer.runs.output_folder.save_figure", fail)
    with pytest.raises(OSError, match=r"cannot be written into .*No space left.*Make room"):
        write_findings(run, "probe", {"a": 2}, "other", Figure())
    assert [path.read_bytes() for path in written] == before
    assert sorted(path.name for path in run.iterdir()) == [
        "probe.json", "probe.md", "probe.png",
    ]  # fmt: skip


def test_recommend_prints_the_reasons_and_writes_a_plan(photos, tmp_path, capsys):
    network = ["--alpha", "0.35", "--weights", "none", *SMALL]
    run = tmp_path / "run"
    assert main(["recommend", str(photos), "--output", str(run), *network]) == 0
    content = check_findings(run, "recommend")
    printed = capsys.readouterr().out
    assert f"Recommended: {content['strategy']}." in printed
    assert all(reason in printed for reason in content["plan"]["reasons"])
    assert Plan.load(run / "recommend.json").to_json() == content["plan"]


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["MobileNet,alpha=0.25,weights=a", "ResNet50"], ["MobileNet 0.25", "ResNet50"]),
        (["MobileNet,weights=a", "MobileNet,weights=b"], None),
    ],
)
def test_names_in_the_table_are_short_where_they_differ(texts, names):
    assert rank._names(texts) == (names or texts)


def test_cells_of_a_markdown_table_cannot_break_it():
    table = markdown_table([("name",), ("a|b",), ("a\nb",)])
    assert table == "| name |\n| --- |\n| a\\|b |\n| a\\nb |"


def fit_arguments(photos, run):
    return ["fit", str(photos), "--output", str(run), "--alpha", "0.35", "--weights", "none",
            *SMALL, "--plan", "auto", "--epochs", "1"]  # fmt: skip


def test_the_recommendation_in_the_folder_is_followed(photos, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    network = ["--alpha", "0.35", "--weights", "none", *SMALL]
    assert main(["recommend", str(photos), "--output", str(run), *network]) == 0
    recommended = Plan.load(run / "recommend.json")
    monkeypatch.setattr("keras_transfer.runs.job.recommend", None)  # it is not repeated
    assert main(fit_arguments(photos, run)) == 0
    plan = Plan.load(run / "plan.json")
    assert [phase.name for phase in plan.phases] == [p.name for p in recommended.phases]
    assert plan.phases[-1].epochs == 1  # as the command says


def test_the_recommendation_for_another_network_is_not_followed(photos, tmp_path, monkeypatch):
    run = tmp_path / "run"
    assert main(["recommend", str(photos), "--output", str(run), "--weights", "none",
                 "--alpha", "0.5", *SMALL]) == 0  # fmt: skip
    asked = []

    def recommend(*arguments):
        asked.append(arguments)
        raise ValueError("measured anew")

    monkeypatch.setattr("keras_transfer.runs.job.recommend", recommend)
    assert main(fit_arguments(photos, run)) == 1
    assert len(asked) == 1


def test_an_interrupted_automatic_plan_is_resumed(photos, tmp_path, monkeypatch, capsys):
    run, resumed = tmp_path / "run", fit_arguments(photos, tmp_path / "run")

    def interrupt(*arguments, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("keras_transfer.runs.fitting.finish", interrupt)
        assert main(resumed) == 130
    plan = Plan.load(run / "plan.json")
    monkeypatch.setattr("keras_transfer.runs.job.recommend", None)
    assert main(resumed) == 0
    assert Plan.load(run / "plan.json") == plan
    assert "Resuming the unfinished run" in capsys.readouterr().out
