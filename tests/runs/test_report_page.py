import json
import shutil

import keras
import numpy as np
import pytest

from keras_transfer import runs
from keras_transfer._figures import svg_of
from keras_transfer.calibration.measures import measure
from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs.folder import Predictions, RunFolder
from keras_transfer.runs.run_course import PhaseClock, course_of
from keras_transfer.runs.run_figures import confusion_figure
from tests.networks import residual_backbone
from tests.pictures import colour_folder
from tests.runs.browser import find_browser, opened

# Names that would run or break a page that took them as they are.
NAMES = ['<script>alert("x")</script>', "b & <i>c</i>", "one\nline\x1b[31m"]
SECTIONS = [
    "plan", "curves", "stages", "confusion", "trust", "mistakes", "findings", "time", "use",
]  # fmt: skip
PLAN = Plan(
    [
        Phase(FreezeAll(), 2, 1e-2, name="head"),
        Phase(UnfreezeLast(1), 1, 1e-3, layerwise_decay=0.5, name="<b>last</b>"),
    ],
    ["Because <em>so</em>."],
)
HISTORY = "epoch,phase,loss,accuracy,val_loss,val_accuracy\n" + "".join(
    f"{epoch},{phase},{1 / (epoch + 1)},0.5,nan,0.6\n"
    for epoch, phase in enumerate(["head", "head", "<b>last</b>"])
)


def predictions_of(folder):
    paths = sorted(map(str, (folder / "validation").glob("*/*.png")))
    labels = np.arange(len(paths)) * len(NAMES) // len(paths)
    probabilities = np.full((len(paths), len(NAMES)), 0.2)
    # Every third picture is taken for the next class.
    predicted = np.where(np.arange(len(paths)) % 3, labels, (labels + 1) % len(NAMES))
    probabilities[np.arange(len(paths)), predicted] = 0.6
    return Predictions("validation", probabilities, labels, tuple(paths))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder as `fit` leaves it, of a model that was not trained."""
    folder = tmp_path_factory.mktemp("report")
    colour_folder(folder / "photos", splits=("validation",))
    run = folder / "run"
    run.mkdir()
    keras.utils.set_random_seed(0)
    model = TransferModel(residual_backbone(), SoftmaxHead(len(NAMES)))
    before = model.backbone.copy()
    last = model.backbone.stages[-1].layers
    for layer in model.backbone.layers:
        if layer.name in last:
            layer.set_weights([1.5 * values for values in layer.get_weights()])
    model.save(run / "model.keras")
    predictions = predictions_of(folder / "photos")
    record = RunFolder(run)
    record.write_predictions([predictions])
    seconds = [("reading", 1.0), ("training", 2.5)]
    record.write_course(course_of(PLAN, before, model, seconds, temperature=1.25))
    measured = measure(predictions.probabilities, predictions.labels, NAMES)
    metrics = {"best_epoch": 2, "epochs": 3, "seconds": 83.0, "validation": measured}
    settings = {
        "backbone": "residual", "data": str(folder / "photos"), "weights": "none", "seed": 0,
        "class_names": NAMES, "image_size": [16, 16], "channels": 3,
    }  # fmt: skip
    contents = {"run": settings, "plan": PLAN.to_json(), "metrics": metrics}
    for name, content in contents.items():
        (run / f"{name}.json").write_text(json.dumps(content))
    (run / "history.csv").write_text(HISTORY)
    return run


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def page_of(run):
    return runs.Run(run).report().read_text(encoding="utf-8")


def test_page_has_all_sections_in_one_file(run):
    page = page_of(run)
    places = [page.index(f'<section id="{name}"') for name in SECTIONS]
    assert places == sorted(places)
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert (run / "report.html").is_file()


def test_names_from_outside_are_escaped(run):
    page = page_of(run)
    assert "<script" not in page
    assert "<b>last</b>" not in page
    assert "<em>" not in page
    assert "&lt;script&gt;" in page
    assert "Because &lt;em&gt;so&lt;/em&gt;." in page
    assert "\x1b" not in page
    svg = svg_of(lambda: confusion_figure(np.eye(3).tolist(), NAMES))
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
    record.write_predictions(
        [Predictions("validation", found.probabilities, found.labels, gone)]
    )
    assert "no longer at their paths" in page_of(run)


def test_no_mistakes_is_said(run):
    record = RunFolder(run)
    found = record.predictions()["validation"]
    labels = found.probabilities.argmax(axis=1)
    record.write_predictions(
        [Predictions("validation", found.probabilities, labels, found.paths)]
    )
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


@pytest.mark.parametrize("absent", ["predictions.npz", "course.json"])
def test_run_of_another_version_has_fewer_sections(run, absent):
    (run / absent).unlink()
    page = page_of(run)
    assert ('id="mistakes"' in page) == (absent != "predictions.npz")
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
    np.testing.assert_array_equal(found.probabilities, one.probabilities)


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
    with pytest.raises(ValueError, match=r"is corrupt \(KeyError: 'epochs'\)"):
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
