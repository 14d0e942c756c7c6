"""`keras-transfer fit`, killed again and again, beside one that was left alone."""

import collections
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import keras
import numpy as np

from benchmarks import child, kill_moments, made_up_pictures
from benchmarks.kill_moments import Progress
from benchmarks.networks import NETWORKS
from keras_transfer import freezing, plans

# Early in the network a picture's features are large: few fit into a shard.
_CUT = "block_1_expand_relu"
_VIEWS = 2
_RESULTS = ("metrics.json", "model.keras", "serving/1")
_COUNTS = (
    "kills_extraction", "kills_training", "kills_write", "files", "differing", "other_weights",
    "missing", "left_over",
)  # fmt: skip
_SECONDS_BETWEEN_LOOKS = 0.01
# No run takes so many seconds: one that does hangs.
_LONGEST = 20 * 60
# For a file that is being written.
_LONGEST_WAIT = 5
_LINES_OF_AN_ERROR = 5


def measure(row, image_size, epochs, kills, num_pictures=None, data_set=None, seed=0):
    """Runs a command undisturbed, then from nothing with one kill and again, for each kill.

    Args:
        row: the name of the row.
        image_size: height and width.
        epochs: of the three phases: a head and most of the network, both on features, and
            all of it on pictures.
        kills: how many.
        num_pictures: how many pictures to make up.
        data_set: the data set to train on instead.
        seed: of the moments.
    """
    with (
        tempfile.TemporaryDirectory() as place,
        made_up_pictures.opened_or_made(data_set, place, num_pictures) as data,
    ):
        place = pathlib.Path(place)
        (place / "plan.json").write_text(json.dumps(_plan(epochs).to_json()))
        weights = NETWORKS["MobileNetV2"].weights if data_set else "none"
        command = functools.partial(Fit, place, data, weights, image_size)
        undisturbed = command("undisturbed")
        undisturbed.finish()
        marks = undisturbed.history[-1].marks
        counts = collections.Counter()
        moments = kill_moments.draw(undisturbed.history, kills, seed)
        for number, moment in enumerate(moments):
            killed = command(f"killed-{number}")
            is_extracting = kill_moments.part_after(marks, moment.marks) == "extraction"
            # Half a file is rare: every second kill waits for one.
            printed = killed.run_until(moment, is_extracting and number % 2 == 1)
            counts[f"kills_{kill_moments.part_after(marks, printed)}"] += 1
            counts["kills_write"] += killed.is_writing()
            killed.finish()
            counts["files"] += (found := compared(undisturbed.cache, killed.cache))["files"]
            counts["differing"] += found["differing"]
            counts["other_weights"] += not _are_same_models(undisturbed.output, killed.output)
            counts["missing"] += sum(not (killed.output / name).exists() for name in _RESULTS)
            counts["left_over"] += sum(1 for _ in killed.output.rglob(".*"))
            killed.remove()
    return [{"row": row, "values": {**dict.fromkeys(_COUNTS, 0), **counts}}]


def _plan(epochs):
    """A head and most of the network on features, then all of it on pictures."""
    policies = {
        "head": freezing.FreezeAll(),
        "last stages": freezing.FreezeUpTo(_CUT),
        "all": freezing.FreezeNone(),
    }
    phases = [
        plans.Phase(policy, number, 1e-3, views=_VIEWS, name=name)
        for (name, policy), number in zip(policies.items(), epochs, strict=True)
    ]
    return plans.Plan(phases)


def _are_same_models(output, other):
    """Whether two runs have the same weights and the same history, to the last bit."""
    models = [keras.saving.load_model(folder / "model.keras") for folder in (output, other)]
    pairs = zip(*(model.get_weights() for model in models), strict=True)
    histories = [(folder / "history.csv").read_bytes() for folder in (output, other)]
    return histories[0] == histories[1] and all(np.array_equal(*pair) for pair in pairs)


class Fit:
    """One command, which can be run again and again.

    Args:
        place: the folder with `plan.json`.
        pictures: the folder of pictures.
        weights: what `--weights` takes.
        image_size: height and width.
        name: of the folders that it writes in `place`.

    Attributes:
        output: the run folder.
        cache: the folder of the features.
        history: the `Progress` of the last run at each of its changes.
    """

    def __init__(self, place, pictures, weights, image_size, name):
        self.output, self.cache = place / f"{name}-run", place / f"{name}-cache"
        self.history, self._lines, self._left_over = [], [], set()
        self._command = [
            sys.executable, "-m", "keras_transfer.cli", "fit", str(pictures),
            "--backbone", "MobileNetV2", "--alpha", "0.35", "--weights", weights,
            "--image-size", str(image_size), "--augmentation", "light", "--deterministic",
            "--plan", str(place / "plan.json"),
            "--output", str(self.output), "--cache", str(self.cache),
        ]  # fmt: skip
        self._environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "KERAS_TRANSFER_CACHE": str(place / f"{name}-index"),
        }

    def finish(self):
        """Runs the command until it ends by itself."""
        code = self._run(lambda progress: False)
        if code != 0:
            raise RuntimeError(f"ended with {code}:\n{self._last_lines()}")

    def run_until(self, moment, in_a_write=False):
        """Runs the command until a `Moment` and kills it; returns how many marks it printed.

        With `in_a_write` it waits a few seconds more for a file that is being written.
        """
        code = self._run(moment.is_near, moment.seconds, _LONGEST_WAIT if in_a_write else 0)
        if code != -signal.SIGKILL:
            raise RuntimeError(f"ended with {code} before {moment}:\n{self._last_lines()}")
        return len(self._marks())

    def remove(self):
        """Removes what the command has left."""
        for folder in (self.output, self.cache):
            shutil.rmtree(folder, ignore_errors=True)

    def shards(self):
        """The number of shards in the cache."""
        return sum(1 for _ in self.cache.glob("*/view-*/*.json"))

    def is_writing(self):
        """Whether the last run has left, or is writing, a file that is not in its place."""
        return not self._half_written() <= self._left_over

    def _half_written(self):
        return set(self.cache.rglob(".writing-*"))

    def _run(self, is_near, seconds=0.0, longest_wait=0.0):
        """Runs the command, and kills it some time after `is_near`; returns its exit code."""
        started = time.perf_counter()
        self.history, self._lines, self._left_over = [], [], self._half_written()
        process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A group of its own, for a kill that reaches its children and nobody else.
            start_new_session=True,
        )
        reader = threading.Thread(target=self._lines.extend, args=(process.stdout,))
        reader.start()
        try:
            while process.poll() is None and not is_near(self._look(started)):
                if time.perf_counter() - started > _LONGEST:
                    raise RuntimeError(f"did not end in time:\n{self._last_lines()}")
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            _wait(process, seconds)
            deadline = time.perf_counter() + longest_wait
            while time.perf_counter() < deadline and not self.is_writing():
                time.sleep(_SECONDS_BETWEEN_LOOKS / 10)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()
        self._look(started)
        return process.returncode

    def _look(self, started):
        progress = Progress(time.perf_counter() - started, self._marks(), self.shards())
        if not self.history or not _same(progress, self.history[-1]):
            self.history.append(progress)
        return progress

    def _marks(self):
        # A copy: the reader goes on meanwhile.
        marks = map(kill_moments.mark_of, tuple(self._lines))
        return tuple(mark for mark in marks if mark is not None)

    def _last_lines(self):
        return "".join(self._lines[-_LINES_OF_AN_ERROR:])


def _wait(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _same(progress, other):
    return (progress.marks, progress.shards) == (other.marks, other.shards)


def compared(cache, other):
    """How many files two caches have, how large they are, and how many are not the same.

    When an entry was used is in neither, nor are locks.
    """
    names = _files(cache) | _files(other)
    return {
        "files": len(names),
        "megabytes": sum((cache / name).stat().st_size for name in _files(cache)) / 2**20,
        "differing": sum(not _are_same(cache / name, other / name) for name in names),
    }


def _files(cache):
    return {
        path.relative_to(cache)
        for path in cache.rglob("*")
        if path.is_file() and path.name != "used" and path.suffix != ".lock"
    }


def _are_same(path, other):
    if not (path.is_file() and other.is_file()):
        return False
    return path.read_bytes() == other.read_bytes()


if __name__ == "__main__":
    child.main(measure)
