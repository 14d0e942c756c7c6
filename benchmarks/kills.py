"""`keras-transfer fit`, killed again and again, beside one that was left alone."""

import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from benchmarks import child, made_up_pictures
from keras_transfer import freezing, training

# Early in the network a picture's features are large: a shard holds few, so there are many.
_CUT = "block_1_expand_relu"
_VIEWS = 2
_SECONDS_BETWEEN_LOOKS = 0.01
# No run takes so many seconds: one that does hangs.
_LONGEST = 30 * 60
_LINES_OF_AN_ERROR = 5
_RESULTS = ("metrics.json", "model.keras", "serving/1")

# What `fit` prints as it goes on, the same in each run of a command. The last epoch's result
# ends the training.
_MARKS = {
    "plan": re.compile(r"\d+ pictures, \d+ steps an epoch"),
    "features": re.compile(r"Features at "),
    "epoch": re.compile(r"Epoch \d+/\d+"),
    "result": re.compile(r"\d+/\d+ - "),
}
# What a run was doing before it printed a mark.
_PARTS = {"features": "extraction", "epoch": "training", "result": "training"}


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment of a run, told by what it has done so that another run comes to it, too.

    Attributes:
        marks: how many marks it has printed.
        shards: how many shards its cache holds.
        seconds: how much time has passed since both.
    """

    marks: int
    shards: int
    seconds: float


def measure(row, image_size, num_pictures, num_kills, epochs=(2, 4), seed=0):
    """Trains once without and once with kills, and compares what is in the caches."""
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        made_up_pictures.write(place / "pictures", num_pictures)
        (place / "plan.json").write_text(json.dumps(_plan(epochs).to_json()))
        reference = Fit(place, "uninterrupted", image_size)
        started = time.perf_counter()
        reference.finish()
        seconds = time.perf_counter() - started
        killed = Fit(place, "killed", image_size)
        parts, writes = [], 0
        for moment in moments(reference.progress, reference.marks, num_kills, seed):
            parts.append(part_after(reference.marks, killed.kill_at(moment)))
            writes += any(killed.cache.rglob(".writing-*"))
        killed.finish()
        files, differing = compare(contents(reference.cache), contents(killed.cache))
        missing = [name for name in _RESULTS if not (killed.output / name).exists()]
        values = {
            "kills_extraction": parts.count("extraction"),
            "kills_training": parts.count("training"),
            "kills_writing": writes,
            "files": files,
            "megabytes": sum(map(len, contents(killed.cache).values())) / 2**20,
            "differing": len(differing),
            "missing": len(missing),
            "seconds_uninterrupted": seconds,
        }
    return [{"row": row, "values": values}]


def _plan(epochs):
    head, last = epochs
    phases = [
        training.Phase(freezing.FreezeAll(), head, 1e-3, views=_VIEWS, name="head"),
        training.Phase(
            freezing.FreezeUpTo(_CUT), last, 1e-4, views=_VIEWS, name="last stages"
        ),
    ]
    return training.Plan(phases)


class Fit:
    """One command, run as often as it takes.

    Args:
        place: the folder with `pictures` and `plan.json`.
        name: of the folders that get its results and its caches.
        image_size: height and width.

    Attributes:
        output: the run folder.
        cache: the folder of the features.
        marks: the kinds of the marks that the last run printed, in order.
        progress: of the last run, a list of `(seconds, marks, shards)`, one for each change.
    """

    def __init__(self, place, name, image_size):
        self.output, self.cache = place / f"{name}-run", place / f"{name}-cache"
        self._command = [
            sys.executable, "-m", "keras_transfer.cli", "fit", place / "pictures",
            "--backbone", "MobileNetV2", "--alpha", "0.35", "--weights", "none",
            "--image-size", str(image_size), "--augmentation", "light",
            "--plan", place / "plan.json", "--output", self.output, "--cache", self.cache,
        ]  # fmt: skip
        self._environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "KERAS_TRANSFER_CACHE": str(place / f"{name}-index"),
        }
        self.marks, self.progress, self._lines = [], [], []

    def finish(self):
        """Runs until the command ends by itself."""
        process = self._start()
        try:
            while process.poll() is None:
                self._look()
        finally:
            self._kill(process)
        if process.returncode:
            raise RuntimeError("\n".join(self._lines[-_LINES_OF_AN_ERROR:]))

    def kill_at(self, moment):
        """Runs until a `Moment` and kills; returns how many marks had been printed."""
        process = self._start()
        try:
            while self._look()[1:] < (moment.marks, moment.shards) or self._is_behind(moment):
                self._check_runs(process)
            time.sleep(moment.seconds)
            self._check_runs(process)
        finally:
            self._kill(process)
        return len(self.marks)

    def _start(self):
        self.marks, self.progress, self._lines = [], [], []
        process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A group of its own, so that the kill reaches its children and nobody else.
            start_new_session=True,
        )
        self._started = time.perf_counter()
        self._reader = threading.Thread(target=self._read, args=(process.stdout,))
        self._reader.start()
        return process
