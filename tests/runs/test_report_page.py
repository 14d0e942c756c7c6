import json
import os

import numpy as np
import pytest

from keras_transfer import runs
from keras_transfer._figures import svg_of
from keras_transfer.backbones import Source
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.predictions import Predictions
from keras_transfer.runs.recorded_findings import probe_accuracy
from keras_transfer.runs.run_course import PhaseClock, best_epoch
from keras_transfer.runs.run_figures import confusion_figure
from tests.runs.browser import find_browser, opened
from tests.runs.pages import NAMES, PLAN, SECTIONS, Page, page_of


def test_page_has_all_sections_in_one_file(run):
    page = page_of(run)
    places = [page.index(f'<section id="{name}"') for name in SECTIONS]
    assert places == sorted(places)
    assert "://" not in page.replace("http://www.w3.org/", "")
    assert (run / "report.html").is_file()


def test_names_from_outside_are_escaped(run):
    page = page_of(run)
    assert "<script" not in page
    assert "<b>last</b>" not in page
    assert "<em>" not in page
    assert "&lt;script&gt;" in page
    assert "Because &lt;em&gt;so&lt;/em&gt;." in page
    assert "\x1b" not in page
    svg = svg_of(lambda: confusion_figure(np.eye(3).tolist(), NAMES), "f")
    assert "<script" not in svg


def test_page_tells_the_figures(run):
    page = page_of(run)
    measured = json.loads((run / "metrics.json").read_text())["validation"]
    assert f"{measured['accuracy']:.1%}" in page
    assert "1 min 23 s" in page
    assert "50.00%" in page, "the last stage was made half as large again"
    assert "a temperature of 1.25" in page
    # 0.001 x 0.5 for the last stage, by layer-wise decay.
    assert "&lt;b&gt;last&lt;/b&gt; at 0.0005" in page
    assert "6 of 18 validation images are misclassified" in page, "every third one"


def test_pictures_that_are_gone_are_no_obstacle(run, finished):
    record = RunFolder(run)
    found = record.predictions()["validation"]
    gone = tuple(f"{path}.gone" for path in found.paths)
    record.write_predictions([Predictions("validation", found.outputs, found.labels, gone)])
    assert "they are no longer at their paths" in page_of(run)


def test_no_mistakes_is_said(run):
    record = RunFolder(run)
    found = record.predictions()["validation"]
    labels = found.outputs.argmax(axis=1)
    record.write_predictions([Predictions("validation", found.outputs, labels, found.paths)])
    assert "All 18 validation images are classified correctly." in page_of(run)


def test_findings_from_before_are_shown(run):
    finding = {
        "kind": "shift",
        "severity": "alarm",
        "conclusion": "A <u>shift</u>.",
        "numbers": {},
    }
    (run / "audit.json").write_text(json.dumps({"findings": [finding]}))
    recommended = {
        "strategy": "train the head",
        "warnings": ["It may hurt."],
        "data": "/other/photos",
        "plan": {"reasons": [*PLAN.reasons, "Few pictures."]},
        "negative_transfer": {"conclusion": "Transfer helps, with `care`."},
    }
    (run / "recommend.json").write_text(json.dumps(recommended))
    (run / "probe.json").write_text("{")
    page = page_of(run)
    assert '<li class="alarm">A &lt;u&gt;shift&lt;/u&gt;.' in page
    assert "Recommended: train the head." in page
    assert '<li class="warning">It may hurt.' in page
    assert "This is about other images: /other/photos." in page
    assert "Few pictures." in page
    assert page.count("Because &lt;em&gt;so&lt;/em&gt;.") == 1, "the plan's own stands above"
    assert "Transfer helps, with <code>care</code>." in page
    assert "Corrupt, and left out: probe.json." in page


@pytest.mark.parametrize("command", ["recommend", "probe"])
def test_a_probe_is_shown_if_it_had_the_groups_of_the_run(run, command):
    found = {"likeness": {"accuracy": 0.75}, "stages": [{"accuracy": 0.75}], "group": "patient"}
    (run / f"{command}.json").write_text(json.dumps(found))
    assert probe_accuracy(runs.Run(run)) is None
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "group": "patient"}))
    assert probe_accuracy(runs.Run(run)) == 0.75


@pytest.mark.parametrize("absent", ["predictions.npz", "course.json"])
def test_run_of_another_version_has_fewer_sections(run, absent):
    (run / absent).unlink()
    page = page_of(run)
    assert ('id="gallery"' in page) == (absent != "predictions.npz")
    assert ('id="stages"' in page) == (absent != "course.json")


@pytest.mark.parametrize("absent", ["run.json", "plan.json", "metrics.json"])
def test_unfinished_run_is_told(run, absent):
    (run / absent).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no '{absent}'"):
        runs.Run(run).report()


@pytest.mark.parametrize(
    ("damaged", "contents"),
    [("metrics.json", b"[]"), ("plan.json", b"{"), ("predictions.npz", b"PK\3\4 and no more")],
)
def test_damaged_file_is_named(run, damaged, contents):
    (run / damaged).write_bytes(contents)
    with pytest.raises(ValueError, match=f"{damaged}' (is corrupt|cannot be read)"):
        runs.Run(run).report()


def test_predictions_of_any_path_are_kept(tmp_path):
    paths = ("a.png", "\udcff.png", "ü\n.png")
    record = RunFolder(tmp_path)
    one = Predictions("test", np.eye(3, dtype="float32"), np.arange(3), paths)
    record.write_predictions([one])
    found = record.predictions()["test"]
    assert found.paths == paths
    np.testing.assert_array_equal(found.outputs, one.outputs)


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1400])
def test_browser_shows_it_without_errors_and_asks_for_nothing(run, tmp_path, width):
    find_browser()
    html, messages, requested = opened(runs.Run(run).report(), tmp_path, width)
    assert messages == []
    assert requested == set()
    assert all(f'id="{name}"' in html for name in SECTIONS)


@pytest.mark.slow
def test_browser_would_tell_errors_and_requests(tmp_path):
    find_browser()
    page = tmp_path / "page.html"
    page.write_text('<script>nonsense()</script><img src="http://127.0.0.1:9/x.png">')
    _, messages, requested = opened(page, tmp_path)
    assert len(messages) == 1
    assert "nonsense" in messages[0]
    assert requested == {"http://127.0.0.1:9/x.png"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("course.json", []), ("audit.json", {"findings": 5, "warnings": "text"})],
)
def test_files_of_the_wrong_kind_are_passed_over(run, name, content):
    (run / name).write_text(json.dumps(content))
    assert 'id="confusion"' in page_of(run)


def test_metrics_of_the_wrong_kind_are_told(run):
    (run / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is corrupt \(the file has no 'epochs'\)"):
        runs.Run(run).report()


def test_figure_of_very_many_classes_stays_small():
    names = [f"class {number}" for number in range(500)]
    figure = confusion_figure(np.eye(500).tolist(), names)
    assert max(figure.get_size_inches()) < 20


def test_clock_tells_each_fit_and_what_lies_between():
    clock = PhaseClock()
    for _ in range(2):
        clock.on_train_begin()
        clock.on_train_end()
    parts = clock.seconds(["earlier", "head", "all"], clock.spans[-1][1] + 2)
    names = ["before head", "training: head", "before all", "training: all"]
    assert [name for name, _ in parts] == [*names, "rest of the training"]
    assert parts[-1][1] == pytest.approx(2)
    assert all(seconds >= 0 for _, seconds in parts)


def test_page_is_one_file_without_scripts_whose_links_lead_somewhere(run):
    page = Page(page_of(run))
    assert "script" not in page.tags
    assert "svg" in page.tags
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.images)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    confused = [link for link in page.links if link.startswith("confusion-")]
    assert set(confused) == {"confusion-0-1", "confusion-1-2", "confusion-2-0"}


def test_figures_have_the_colours_and_the_font_of_the_page(run):
    page = page_of(run)
    assert "var(--blue)" in page
    figures = page[page.index('<figure role="img"') :]
    assert "font-family" not in figures
    assert "#4c72b0" not in figures and "DejaVu" not in figures


def test_best_is_the_highest_epoch_and_kept_the_one_kept(run):
    text = page_of(run)
    assert "epochs; kept: epoch 2; highest validation accuracy: epoch 3" in text
    assert best_epoch({"val_accuracy": [0.5, 0.7, float("nan"), 0.7]}) == 2
    assert best_epoch({"accuracy": [0.5]}) is None


def test_older_runs_called_the_kept_epoch_the_best(run):
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["kept_epoch"]
    metrics["best_epoch"] = 1
    (run / "metrics.json").write_text(json.dumps(metrics))
    text = page_of(run)
    assert "epochs; kept: epoch 1" in text and "highest validation accuracy: epoch" not in text


def test_provenance_says_when_how_and_with_what(run):
    text = Page(page_of(run)).text["provenance"]
    for part in (
        "2026-01-02T03:04:05+00:00", "keras-transfer fit <photos>", "Python 3.11, TensorFlow",
        "Linux, P, 2 cores, no accelerator", "18 train, 18 validation", "12,345",
        "model.keras, 5.4 MB", "6.5 ms for one image", "residual",
    ):  # fmt: skip
        assert part in text, part


def test_runs_without_provenance_say_so(run):
    course = json.loads((run / "course.json").read_text())
    del course["provenance"]
    (run / "course.json").write_text(json.dumps(course))
    assert "An older version made this run" in Page(page_of(run)).text["provenance"]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("imagenet", "`keras.applications` distributes"),
        ("/models/some.h5", "the file some.h5, whose licence is not known"),
        (None, "the licence of the initial weights is not known"),
    ],
)
def test_card_says_what_is_known_of_the_licence(run, weights, said):
    settings = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**settings, "weights": weights}))
    text = Page(page_of(run)).text["card"]
    assert " ".join(said.replace("`", " ").split()) in " ".join(text.split())
    assert "Intended use" in text and "Limits" in text


def test_card_and_provenance_say_where_the_weights_come_from(run):
    course = json.loads((run / "course.json").read_text())
    source = Source("a zoo", "MIT", (40, 40), crop=0.875, mean=(1.0, 2.0, 3.0))
    for recorded, said in (
        (source.to_json(), "size 40, 40; crop 0.875; scale 1; mean 1, 2, 3"),
        ({"mean": ["a"]}, None),
    ):
        course["provenance"]["source"] = recorded
        (run / "course.json").write_text(json.dumps(course))
        settings = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**settings, "weights": None}))
        text = Page(page_of(run)).text
        assert ("weights of a zoo: MIT" in text["card"]) is (said is not None)
        assert said is None or said in text["provenance"]


def test_a_pipe_in_the_folder_does_not_stop_the_page(run):
    for name in ("audit.json", "history.csv", "course.json"):
        (run / name).unlink(missing_ok=True)
    os.mkfifo(run / "audit.json")
    os.mkfifo(run / "course.json")
    (run / "history.csv").write_text("epoch,phase\n")
    assert "Corrupt, and left out: audit.json." in page_of(run)
    (run / "history.csv").unlink()
    os.mkfifo(run / "history.csv")
    with pytest.raises(ValueError, match="Not a regular file"):
        runs.Run(run).report()
