"""A `fit` that a signal ends after its training: the same command makes the run whole."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_transfer import freezing, plans
from tests.pictures import colour_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither signal")
PLAN = plans.Plan(
    [
        plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2),
        plans.Phase(freezing.UnfreezeLast(1), epochs=1, learning_rate=1e-3),
    ]
)
# What exists when a part of the command begins.
PARTS = {"evaluation": "model.keras", "export": "confusion_matrix.png", "page": "metrics.json"}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with images and a plan."""
    folder = tmp_path_factory.mktemp("given")
    colour_folder(folder / "photos", per_class=4)
    (folder / "plan.json").write_text(json.dumps(PLAN.to_json()))
    return folder


def start(given, folder):
    """Begins a `fit`, or resumes it."""
    command = [sys.executable, "-m", "keras_transfer.cli", "fit", given / "photos"]
    command += ["--output", folder / "run", "--plan", given / "plan.json", "--deterministic"]
    command += ["--alpha", "0.35", "--image-size", "32", "--weights", "none"]
    cache = {"KERAS_TRANSFER_CACHE": str(folder / "cache")}
    return subprocess.Popen([*map(str, command)], env={**os.environ, **cache})


def signalled_in(part, process, number, folder):
    """Sends a signal when a part of the command begins; returns the exit code."""
    limit = time.monotonic() + 300
    while not (folder / "run" / PARTS[part]).exists() and time.monotonic() < limit:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    return process.wait(300)


@pytest.fixture(scope="module")
def undisturbed(given, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert start(given, folder).wait(300) == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("part", "name", "code"),
    [
        pytest.param("evaluation", "SIGTERM", 75, marks=pytest.mark.slow),
        *(
            pytest.param(part, name, code, marks=pytest.mark.exhaustive)
            for part in PARTS
            for name, code in (("SIGTERM", 75), ("SIGKILL", -9))
            if (part, name) != ("evaluation", "SIGTERM")
        ),
    ],
)
def test_the_same_command_makes_the_run_whole(given, undisturbed, tmp_path, part, name, code):
    process = start(given, tmp_path)
    assert signalled_in(part, process, getattr(signal, name), tmp_path) == code
    assert start(given, tmp_path).wait(300) == 0
    found, expected = tmp_path / "run", undisturbed
    models = [keras.saving.load_model(run / "model.keras") for run in (found, expected)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (found / "report.html").read_text("utf-8").rstrip().endswith("</html>")
    assert {path.name for path in found.iterdir()} == {path.name for path in expected.iterdir()}
    assert {path.name for path in (found / "serving").iterdir()} == {"1"}
