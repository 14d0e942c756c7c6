import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from keras_transfer.cli.run_folder import RunFolder
from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.plans import Phase, Plan
from tests.pictures import colour_folder

LONGEST = 400


def processes_of_worker(launcher, index):
    """The numbers of a launcher's children that are this worker of its cluster."""
    children = pathlib.Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    for folder in (pathlib.Path("/proc") / number for number in children):
        try:
            environment = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        configs = [text[10:] for text in environment if text.startswith("TF_CONFIG=")]
        if configs and json.loads(configs[0])["task"]["index"] == index:
            yield int(folder.name)


@pytest.mark.skipif(not pathlib.Path("/proc/self/environ").exists(), reason="finds by /proc")
def test_killed_worker_is_named_and_all_go_on_from_the_checkpoint(tmp_path):
    data = colour_folder(tmp_path / "data")
    phases = [
        Phase(FreezeAll(), 2, 1e-2, name="head"),
        Phase(UnfreezeLast(1), 12, 1e-3, layerwise_decay=0.7, name="last"),
        Phase(FreezeNone(), 1, 1e-4, name="all"),
    ]
    (tmp_path / "plan.json").write_text(json.dumps(Plan(phases).to_json()))
    run, logs = tmp_path / "run", tmp_path / "logs"
    command = [
        sys.executable, "-m", "keras_transfer.cli", "launch", "--workers", "2", "--restarts",
        "1", "--logs", str(logs), "--", "fit", str(data), "--output", str(run), "--alpha",
        "0.35", "--image-size", "32", "--weights", "none", "--plan",
        str(tmp_path / "plan.json"), "--batch-size", "6", "--checkpoint-every", "1",
        "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    with open(tmp_path / "output", "w") as output:
        launch = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + LONGEST
        checkpoints = run / "checkpoints"
        while not list(checkpoints.glob("checkpoint-000012.npz")):  # in the second phase
            assert launch.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        (worker,) = processes_of_worker(launch.pid, 1)
        os.kill(worker, signal.SIGKILL)
        code = launch.wait(LONGEST)
    finally:
        launch.kill()
    printed = (tmp_path / "output").read_text()
    assert code == 0, printed
    assert "worker 1 was killed by SIGKILL" in printed
    assert "all workers start again" in printed
    assert "Going on in 'last' after epoch" in (logs / "worker-0.log").read_text()
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["epochs"] == 15
    assert [path.name for path in (run / "serving").iterdir()] == ["1"]
    assert not list(run.rglob(".*"))
    assert not (run / "checkpoints").exists()
    assert RunFolder(run).load_model().output_shape == (None, 3)
    # One tells what happens; the others have nothing to say.
    assert "Epoch" not in (logs / "worker-1.log").read_text()
