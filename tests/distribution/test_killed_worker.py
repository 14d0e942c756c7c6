"""`keras-transfer fit` on two workers, of which one is killed."""

import json
import signal
import sys
import time

import pytest

from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs import Run
from tests.distribution.worker_group import WorkerGroup
from tests.pictures import colour_folder

pytestmark = pytest.mark.slow

LONGEST = 400


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
def test_after_a_kill_the_same_commands_resume_to_one_finished_run(tmp_path):
    data = colour_folder(tmp_path / "data")
    phases = [
        Phase(FreezeAll(), 2, 1e-2, name="head"),
        Phase(UnfreezeLast(1), 12, 1e-3, layerwise_decay=0.7, name="last"),
    ]
    (tmp_path / "plan.json").write_text(json.dumps(Plan(phases).to_json()))
    run = tmp_path / "run"
    command = [
        sys.executable, "-m", "keras_transfer.cli", "fit", str(data), "--output", str(run),
        "--backbone", "MobileNet", "--alpha", "0.25", "--image-size", "32", "--weights", "none",
        "--plan", str(tmp_path / "plan.json"), "--batch-size", "6", "--checkpoint-every", "1",
        "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    group = WorkerGroup(2, command, tmp_path / "logs")
    try:
        until = time.monotonic() + LONGEST
        while not list((run / "checkpoints").glob("checkpoint-000012.npz")):  # second phase
            assert group.processes[1].poll() is None, group.last_lines(1)
            assert time.monotonic() < until, group.last_lines(0)
            time.sleep(0.1)
        group.processes[1].send_signal(signal.SIGKILL)
        assert group.wait() == (1, -signal.SIGKILL)
    finally:
        group.end()
    assert WorkerGroup(2, command, tmp_path / "logs").wait() is None
    assert "Resuming 'last' after epoch" in (tmp_path / "logs/worker-0.log").read_text()
    found = Run(run)
    assert found.metrics["epochs"] == 14
    assert [path.name for path in (run / "serving").iterdir()] == ["1"]
    assert not list(run.rglob(".*"))
    assert not (run / "checkpoints").exists()
    assert found.model.output_shape == (None, 3)
    # The chief prints; the other worker is silent.
    assert "Epoch" not in (tmp_path / "logs/worker-1.log").read_text()
