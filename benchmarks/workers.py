"""`keras-transfer fit` by one process and by two workers, of which one is killed."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np

from benchmarks import child, made_up_pictures
from benchmarks.networks import NETWORKS
from benchmarks.worker_group import WorkerGroup
from keras_transfer import freezing, plans

_WORKERS, _RESTARTS = 2, 3
# No run takes so many seconds: one that does hangs.
_LONGEST = 20 * 60
_POLL = 0.05


def measure(image_size, epochs, kills, num_pictures=None, data_set=None, seed=0):
    """Trains the same model alone, by two workers, and by two of which one is killed.

    Args:
        image_size: height and width.
        epochs: of the three phases: the head and the last stages on features, and all of the
            network on pictures.
        kills: how many trainings are disturbed by a kill.
        num_pictures: how many pictures to make up.
        data_set: the data set to train on instead.
        seed: of the moments and of which worker is killed.
    """
    rows = []
    with (
        tempfile.TemporaryDirectory() as place,
        made_up_pictures.opened_or_made(data_set, place, num_pictures) as data,
    ):
        place = pathlib.Path(place)
        (place / "plan.json").write_text(json.dumps(_plan(epochs).to_json()))
        weights = NETWORKS["MobileNetV2"].weights if data_set else "none"
        command = _command(place, data, weights, image_size)
        rows.append(_row("one process", *_timed(command, place / "alone", _alone)))
        two = place / "two"
        rows.append(_row("2 workers", *_timed(command, two, _launched)))
        devices = _timed(command, place / "devices", _with_devices)
        rows.append(_row("2 workers of 2 devices", *devices))
        longest = rows[1]["values"]["seconds"]
        moments = random.Random(seed)
        for number in range(kills):
            moment = moments.uniform(0.1, 0.95) * longest
            worker = moments.randrange(_WORKERS)
            kill = _Kill(moment, worker)
            found = _timed(command, place / f"killed-{number}", kill.launched)
            row = _row("2 workers, one killed", *found)
            row["values"] |= {"killed_at": moment, "worker": worker, "was_killed": kill.done}
            row["values"]["weight_difference"] = _difference(two / "run", found[0])
            rows.append(row)
    return rows


def _plan(epochs):
    policies = {
        "head": freezing.FreezeAll(),
        "last stages": freezing.UnfreezeLast(2),
        "all": freezing.FreezeNone(),
    }
    return plans.Plan(
        plans.Phase(policy, number, 1e-3, views=2, layerwise_decay=0.7, name=name)
        for (name, policy), number in zip(policies.items(), epochs, strict=True)
    )


def _command(place, data, weights, image_size):
    return [
        "fit", str(data), "--backbone", "MobileNetV2", "--alpha", "0.35", "--weights", weights,
        "--image-size", str(image_size), "--augmentation", "light", "--deterministic",
        "--plan", str(place / "plan.json"),
    ]  # fmt: skip


def _timed(command, folder, run):
    """Runs the command in a folder of its own; returns its run folder and the seconds."""
    folder.mkdir()
    output = folder / "run"
    arguments = [*command, "--output", str(output), "--cache", str(folder / "cache")]
    started = time.perf_counter()
    run(arguments, folder)
    seconds = time.perf_counter() - started
    shutil.rmtree(folder / "cache")
    return output, seconds


def _alone(arguments, folder):
    command = [sys.executable, "-m", "keras_transfer.cli", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=_LONGEST)


def _launched(arguments, folder):
    _launch(arguments, folder).communicate(timeout=_LONGEST)


def _with_devices(arguments, folder):
    command = [sys.executable, "-m", "benchmarks.logical_devices", "2", *arguments]
    group = WorkerGroup(_WORKERS, command, folder / "logs")
    with contextlib.redirect_stdout(sys.stderr):
        failed = group.wait()
    if failed is not None:
        raise RuntimeError(f"worker {failed[0]} failed:\n{group.last_lines(failed[0])}")


def _launch(arguments, folder):
    command = [
        sys.executable, "-m", "keras_transfer.cli", "launch", "--workers", str(_WORKERS),
        "--restarts", str(_RESTARTS), "--logs", str(folder / "logs"), "--", *arguments,
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


class _Kill:
    """A worker is killed at some second; the launcher starts all of them again."""

    def __init__(self, seconds, worker):
        self.seconds, self.worker, self.done = seconds, worker, 0

    def launched(self, arguments, folder):
        process = _launch(arguments, folder)
        deadline = time.perf_counter() + self.seconds
        while time.perf_counter() < deadline and process.poll() is None:
            time.sleep(_POLL)
        for number in _processes_of_worker(self.worker, process.pid):
            os.kill(number, signal.SIGKILL)
            self.done = 1
        process.communicate(timeout=_LONGEST)


def _processes_of_worker(index, launcher):
    """The numbers of the launcher's children that are this worker of its cluster."""
    children = f"/proc/{launcher}/task/{launcher}/children"
    for number in pathlib.Path(children).read_text().split():
        text = pathlib.Path(f"/proc/{number}/environ").read_bytes().decode(errors="replace")
        configs = [line[10:] for line in text.split("\0") if line.startswith("TF_CONFIG=")]
        if configs and json.loads(configs[0])["task"]["index"] == index:
            yield int(number)


def _row(name, output, seconds):
    metrics = json.loads((output / "metrics.json").read_text())
    split = "test" if "test" in metrics else "validation"
    return {
        "row": name,
        "values": {
            "seconds": seconds,
            "final_accuracy": metrics[split]["accuracy"],
            "exports": sum(1 for path in (output / "serving").iterdir() if path.is_dir()),
            "left_over": sum(1 for _ in output.rglob(".*")),
        },
    }


def _difference(output, other):
    """The largest difference of weights, relative to the largest weight of its variable."""
    models = [keras.saving.load_model(folder / "model.keras") for folder in (output, other)]
    pairs = zip(*(model.get_weights() for model in models), strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-12)) for a, b in pairs)


if __name__ == "__main__":
    child.main(measure)
