"""Run and cache folders that someone else prepared: data, not code, paths or hours of work."""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import zipfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_transfer.calibration.measures import measure
from keras_transfer.features.cache_folder import CacheFolder
from keras_transfer.freezing import FreezeAll, FreezePolicy
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.predictions import Predictions
from tests.corpus.runs import NAMES, make_run
from tests.corpus.told import run as run_command
from tests.corpus.values import few, json_values
from tests.pictures import colour_folder

SECONDS = 20
SECRET = "secret"
_opened = []


def _note_opened(event, arguments):
    if event == "open" and _opened and isinstance(arguments[0], (str, bytes)):
        _opened[-1].append(os.fsdecode(arguments[0]))


sys.addaudithook(_note_opened)


@contextlib.contextmanager
def within_seconds():
    """Fails what waits for a pipe, or counts to infinity."""

    def stop(number, frame):
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run, and its pictures."""
    folder = tmp_path_factory.mktemp("foreign")
    colour_folder(folder / "photos", splits=("validation",), per_class=2)
    run = make_run(folder / "run")
    paths = tuple(sorted(map(str, (folder / "photos/validation").glob("*/*.png"))))
    labels = np.arange(len(paths)) * 3 // len(paths)
    probabilities = np.full((len(paths), 3), 0.25, "float32")
    probabilities[np.arange(len(paths)), labels] = 0.5
    record = RunFolder(run)
    record.write_predictions([Predictions("validation", probabilities, labels, paths)])
    stage = {
        "name": "s", "ends_at": "add1", "shape": [None, 4], "parameters": 9, "moved": 0.1,
        "trained_in": [{"phase": "head", "rate": 0.1}],
    }  # fmt: skip
    provenance = {
        "date": "2026-01-02", "versions": {"Keras": "3"}, "num_images": {"train": 6},
        "machine": {"system": "Linux", "processor": "P", "cores": 2, "accelerators": []},
        "parameters": 9, "bytes": 10, "latency_ms": 1.5,
    }  # fmt: skip
    record.write_course(
        {"stages": [stage], "seconds": [["all", 2.0]], "provenance": provenance}
    )
    measured = measure(probabilities, labels, NAMES)
    metrics = {"epochs": 1, "kept_epoch": 1, "best_epoch": 1, "seconds": 2.0}
    record._write_whole("metrics.json", {**metrics, "validation": measured})
    plan = Plan([Phase(FreezeAll(), 1, 0.1, name="head")]).to_json()
    record._write_whole("plan.json", plan)
    described = json.loads((run / "run.json").read_text())
    more = {"backbone": "residual", "data": str(folder / "photos"), "seed": 0}
    record.describe({**described, **more})
    (run / "history.csv").write_text("epoch,phase,loss,val_accuracy\n0,head,1.0,0.5\n")
    (run / "audit.json").write_text(json.dumps({"findings": [], "data": more["data"]}))
    return run


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of the run, which shares the files that nobody changes, and a secret beside it."""
    (tmp_path / SECRET).mkdir()
    (tmp_path / SECRET / "passport.png").write_bytes(b"secret")
    for name in ("metrics.json", "plan.json", "history.csv", "model.keras"):
        shutil.copy(whole / name, tmp_path / SECRET)
    run = tmp_path / "run"
    shutil.copytree(whole, run, copy_function=os.link)
    return run


def replaced(run, name, content):
    """Writes a file anew: the other copies share the old one."""
    (run / name).unlink(missing_ok=True)
    (run / name).write_bytes(content)


def with_value(name, *keys_and_value):
    """A change of one value in a JSON file; the last argument is the value."""
    *keys, value = keys_and_value

    def change(run):
        found = json.loads((run / name).read_text())
        part = found
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
        replaced(run, name, json.dumps(found).encode())

    return change


def with_content(name, content):
    return lambda run: replaced(run, name, content)


def as_pipe(name):
    def change(run):
        (run / name).unlink()
        os.mkfifo(run / name)

    return change


def as_link(name, target):
    def change(run):
        (run / name).unlink()
        (run / name).symlink_to(target)

    return change


def as_folder(name):
    def change(run):
        (run / name).unlink()
        (run / name).mkdir()

    return change


def sparse(name, size):
    def change(run):
        replaced(run, name, b"")
        os.truncate(run / name, size)

    return change


def npz_with(compression=zipfile.ZIP_DEFLATED, **members):
    def change(run):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", compression) as archive:
            for name, array in members.items():
                archive.writestr(name.replace("_", "-") + ".npy", array)
        replaced(run, "predictions.npz", content.getvalue())

    return change


def npy(array, shape=None):
    """The bytes of an array, with another shape in its header."""
    content = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array)
    header["shape"] = array.shape if shape is None else shape
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue() + array.tobytes()


def predictions_with(**changes):
    parts = {
        "validation_probabilities": npy(np.full((2, 3), 1 / 3, "float32")),
        "validation_labels": npy(np.zeros(2, "int64")),
        "validation_paths": npy(np.zeros(0, "uint8")),
    }
    return npz_with(**{**parts, **changes})


def claiming(size):
    """Predictions of which one array claims a size in the directory of the archive."""

    def change(run):
        predictions_with()(run)
        content = (run / "predictions.npz").read_bytes()
        place = content.rindex(b"PK\1\2") + 24
        size_of = size.to_bytes(4, "little")
        replaced(run, "predictions.npz", content[:place] + size_of + content[place + 4 :])

    return change


NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**30
MEASURED, RATE = "validation", ("validation", "classes", NAMES[0])
STAGE = ("stages", 0)
PHASE = ("phases", 0)
COURSES = {
    f"{' '.join(map(str, keys))} is {value!r:.20}": with_value("course.json", *keys, value)
    for keys, values in (
        (("seconds",), ([["a", 1e300]], [["a", NAN]], [[1, 2]], "long", {})),
        ((*STAGE, "shape"), (["a"], [-1], [HUGE], None)),
        ((*STAGE, "moved"), (NAN, INFINITE, "far")),
        ((*STAGE, "parameters"), (-1, HUGE, 1.5)),
        (("provenance",), ([], "here")),
        (("provenance", "latency_ms"), (NAN, -1, 1e300, "fast")),
        (("provenance", "versions"), ([], {"Keras": {}}, "new")),
        (("provenance", "machine"), ([], {"accelerators": 3})),
    )
    for value in values
}
CASES = {
    **{
        f"{' '.join(map(str, keys))} in {name} is {value!r:.20}": with_value(name, *keys, value)
        for name, keys, values in (
            ("metrics.json", ("epochs",), (NAN, -1, HUGE, "1", None, [1], 10**4000)),
            ("metrics.json", ("seconds",), (NAN, INFINITE, -1.0, 1e300, "2", {})),
            ("metrics.json", ("kept_epoch",), (-3, 0.5, HUGE)),
            ("metrics.json", (MEASURED,), (None, [], 3)),
            ("metrics.json", (MEASURED, "accuracy"), (NAN, 2, -0.5, "90%", True)),
            ("metrics.json", (MEASURED, "accuracy_interval"), ([0], [1, NAN], [0] * 9, "ab")),
            ("metrics.json", (MEASURED, "images"), (-1, HUGE, INFINITE)),
            ("metrics.json", (MEASURED, "confusion"), ([], [[1]], [[-1] * 3] * 3, 3)),
            ("metrics.json", (MEASURED, "classes"), ([], {"other": {}})),
            ("metrics.json", (*RATE, "recall"), (NAN, 7, "high", HUGE)),
            ("metrics.json", (*RATE, "recall_interval"), ([1], [NAN, 1], "low")),
            ("run.json", ("backbone",), (3, None, [], "x" * 200_000)),
            ("run.json", ("data",), (3, ["/"], {})),
            ("run.json", ("seed",), (NAN, "x", HUGE)),
            ("run.json", ("alpha",), (NAN, "wide")),
            ("plan.json", (*PHASE, "epochs"), (0, HUGE, NAN, "1", True)),
            ("plan.json", (*PHASE, "learning_rate"), (NAN, INFINITE, 10**400, -1)),
            ("plan.json", (*PHASE, "views"), (HUGE, -1)),
            ("plan.json", (*PHASE, "name"), (3, None)),
            ("plan.json", ("reasons",), (3, [3], None)),
            ("plan.json", ("phases",), ([], None, {}, [3])),
        )
        for value in values
    },
    **{
        f"{name} is {kind}": change(name)
        for name in ("run.json", "metrics.json", "plan.json", "course.json", "history.csv")
        for kind, change in (
            ("a pipe", as_pipe),
            ("a folder", as_folder),
            ("endless", lambda name: as_link(name, "/dev/zero")),
            ("a terabyte of nothing", lambda name: sparse(name, 2**40)),
        )
    },
    **{
        f"{name} has a key twice": with_content(name, b'{"epochs": 1, "epochs": 2}')
        for name in ("run.json", "metrics.json", "plan.json", "course.json")
    },
    **{
        f"{name} has millions of lists": with_content(name, b"[" + b"[]," * 3_000_000 + b"1]")
        for name in ("run.json", "metrics.json", "plan.json", "course.json")
    },
    "history without a header": with_content("history.csv", b""),
    "history with a cell too few": with_content("history.csv", b"epoch,phase,loss\n0,head\n"),
    "history with a cell too many": with_content("history.csv", b"epoch,phase\n0,head,1\n"),
    "history with a column twice": with_content("history.csv", b"loss,loss\n1,2\n"),
    "history in words": with_content("history.csv", b"epoch,phase,loss\n0,head,low\n"),
    "history of huge numbers": with_content("history.csv", b"epoch,phase,loss\n0,head,1e200\n"),
    "history of a million epochs": with_content(
        "history.csv", b"epoch,phase,loss\n" + b"0,head,1\n" * 10**6
    ),
    "history with a huge cell": with_content("history.csv", b'"' + b"a" * 10**6),
    "predictions with a text": with_content("predictions.npz", b"text"),
    "predictions are a pipe": as_pipe("predictions.npz"),
    "predictions that unpack to gigabytes": claiming(2**31),
    "predictions of terabytes in the header": predictions_with(
        validation_labels=npy(np.zeros(2, "int64"), (2**40,))
    ),
    "predictions with a negative shape": predictions_with(
        validation_labels=npy(np.zeros(2, "int64"), (-2, -1))
    ),
    "predictions of objects": predictions_with(
        validation_labels=npy(np.zeros(2, "int64")).replace(b"'<i8'", b"'|O' ")
    ),
    "predictions with NaN": predictions_with(
        validation_probabilities=npy(np.full((2, 3), np.nan, "float32"))
    ),
    "predictions above 1": predictions_with(
        validation_probabilities=npy(np.full((2, 3), 3, "float32"))
    ),
    "predictions in words": predictions_with(
        validation_probabilities=npy(np.full((2, 3), "a"))
    ),
    "predictions of unknown classes": predictions_with(
        validation_labels=npy(np.full(2, 10**15, "int64"))
    ),
    "predictions of negative classes": predictions_with(
        validation_labels=npy(np.full(2, -1, "int64"))
    ),
    "predictions of more classes": predictions_with(
        validation_probabilities=npy(np.full((2, 9), 1 / 9, "float32")),
        validation_labels=npy(np.full(2, 8, "int64")),
    ),
    "predictions without paths": predictions_with(
        validation_paths=npy(np.frombuffer(b"a\0b\0c", "uint8"))
    ),
    "predictions of secret paths": predictions_with(
        validation_paths=npy(np.frombuffer(b"../secret/passport.png\0/etc/passwd", "uint8"))
    ),
    "an audit of secret paths": with_content(
        "audit.json",
        json.dumps(
            {
                "duplicates": {
                    "pairs": [{"names": ["secret/passport.png"] * 2, "evidence": "equal"}]
                },
                "labels": {"errors": [{"name": "/etc/passwd"}]},
            }
        ).encode(),
    ),
    "an audit of a huge number": with_content(
        "audit.json", b'{"duplicates": {"num_copies": 1' + b"0" * 100 + b"}}"
    ),
    "a sweep of huge numbers": with_content(
        "find-lr.json", b'{"rates": [1e300, 1e308], "losses": [1e308, -1e308]}'
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CASES.values(), ids=CASES)
def test_foreign_run_is_told_or_gives_a_whole_page(copied, change):
    change(copied)
    _opened.append([])
    try:
        with within_seconds():
            code, _, err = run_command(["report", copied], copied)
    finally:
        opened = _opened.pop()
    assert not [
        path for path in opened if f"/{SECRET}/" in path or path.startswith("/etc/pass")
    ]
    if code:
        told = [line for line in err.splitlines() if "error: " in line]
        assert code == 1 and len(told) == 1 and len(told[0]) < 2000, err
        assert not (copied / "report.html").exists()
    else:
        assert (copied / "report.html").read_text().rstrip().endswith("</html>")


@pytest.mark.parametrize("change", COURSES.values(), ids=COURSES)
def test_foreign_course_is_passed_over(copied, change):
    assert RunFolder(copied).course()
    change(copied)
    assert RunFolder(copied).course() == {}


PATHS = [
    ("metrics.json", ("epochs",)), ("metrics.json", (MEASURED,)), ("metrics.json", RATE),
    ("metrics.json", (MEASURED, "confusion")), ("course.json", ("stages",)),
    ("course.json", STAGE), ("course.json", ("seconds",)), ("course.json", ("provenance",)),
    ("run.json", ("image_size",)), ("run.json", ("class_names",)), ("plan.json", ("phases",)),
    ("plan.json", PHASE), ("plan.json", (*PHASE, "freeze_policy")),
]  # fmt: skip


@few(150)
@hypothesis.given(st.sampled_from(PATHS), json_values)
def test_any_value_is_read_or_told(whole, tmp_path, place, value):
    name, keys = place
    shutil.copytree(whole, tmp_path / "run", copy_function=os.link, dirs_exist_ok=True)
    folder = RunFolder(tmp_path / "run")
    read = {
        "metrics.json": folder.metrics, "course.json": folder.course,
        "run.json": folder.description, "plan.json": folder.plan,
    }[name]  # fmt: skip
    with_value(name, *keys, value)(folder.path)
    try:
        read()
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
    finally:
        shutil.rmtree(folder.path)


ENTRY = {
    "network": "residual", "boundary": "add1", "num_images": 1, "feature_shape": [8],
    "dtype": "float32", "engine": "tensorflow", "data": "/photos",
}  # fmt: skip


@few(100)
@hypothesis.given(st.dictionaries(st.sampled_from(sorted(ENTRY)), json_values, min_size=1))
def test_entry_of_a_foreign_cache_has_a_form_or_is_passed_over(tmp_path, change):
    with CacheFolder(tmp_path / "cache").locked(32 * "a") as place:
        (place / "used").touch()
        (place / "entry.json").write_text(json.dumps({**ENTRY, **change}))
    for entry in CacheFolder(tmp_path / "cache").entries():
        assert isinstance(entry.network, str) and 0 <= entry.num_images <= 10**15
        assert all(isinstance(side, int) and side >= 0 for side in entry.feature_shape)


CACHES = {
    "a pipe for an entry": lambda place: os.mkfifo(place / "entry.json"),
    "an endless entry": lambda place: (place / "entry.json").symlink_to("/dev/zero"),
    "a terabyte for an entry": lambda place: (
        (place / "entry.json").touch(), os.truncate(place / "entry.json", 2**40)
    ),
    "used in the year 9999": lambda place: (
        (place / "entry.json").write_text(json.dumps(ENTRY)),
        os.utime(place / "used", (2.5e11, 2.5e11)),
    ),
    "a huge number of images": lambda place: (place / "entry.json").write_text(
        json.dumps({**ENTRY, "num_images": 10**4000})
    ),
    "a loop of links": lambda place: (place / "view-0").symlink_to("."),
}  # fmt: skip


@pytest.mark.parametrize("change", CACHES.values(), ids=CACHES)
def test_foreign_cache_is_listed_and_cleared(tmp_path, change):
    cache = tmp_path / "cache"
    with CacheFolder(cache).locked(32 * "a") as place:
        (place / "used").touch()
        change(place)
    (tmp_path / SECRET).mkdir()
    with within_seconds():
        for more in ([], ["--clear"]):
            code, _, err = run_command(["cache", "--directory", cache, *more], cache)
            assert code == 0, err
    assert (tmp_path / SECRET).is_dir()


class Trap(FreezePolicy):
    """A policy that is not registered."""

    def unfrozen_operations(self, backbone):
        raise AssertionError


OBJECTS = {
    "no object": 3,
    "a layer": {
        "class_name": "Dense", "module": "keras.layers", "registered_name": None,
        "config": {"units": 3},
    },
    "a layer under a policy's name": {
        "class_name": "Dense", "module": "keras.layers", "registered_name": "Dense",
        "config": {"units": 3},
    },
    "a class of a module": {
        "class_name": "Trap", "module": __name__, "registered_name": "Trap", "config": {},
    },
    "a layer within a policy": {
        "class_name": "FreezePatterns", "module": "keras_transfer.freezing.policies",
        "registered_name": "keras_transfer>FreezePatterns",
        "config": {"patterns": [{"class_name": "Dense", "config": {"units": 10**9}}]},
    },
}  # fmt: skip


@pytest.mark.parametrize("values", OBJECTS.values(), ids=OBJECTS)
def test_plan_makes_freeze_policies_and_nothing_else(values):
    with pytest.raises(ValueError, match="not a registered freeze policy"):
        FreezePolicy.from_json(values)


KINDS = {
    "foreign run folders": CASES,
    "foreign courses of runs": COURSES,
    "foreign cache folders": CACHES,
    "objects in place of a policy": OBJECTS,
}
