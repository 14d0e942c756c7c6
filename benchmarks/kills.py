"""`keras-transfer fit`, killed again and again, beside one that was left alone."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

from benchmarks import child, kill_moments, made_up_pictures
from benchmarks.kill_moments import Progress
from keras_transfer import freezing, training

# Early in the network a picture's features are large: few fit into a shard.
_CUT = "block_1_expand_relu"
_VIEWS = 2
_RESULTS = ("metrics.json", "model.keras", "serving/1")
_SECONDS_BETWEEN_LOOKS = 0.01
# No run takes so many seconds: one that does hangs.
_LONGEST = 20 * 60
# For a file that is being written.
_LONGEST_WAIT = 5
_LINES_OF_AN_ERROR = 5


def measure(row, image_size, num_pictures, epochs, kills, seed=0):
    """Runs a command undisturbed, then again with kills, and compares the two caches."""
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        made_up_pictures.write(place / "pictures", num_pictures)
        (place / "plan.json").write_text(json.dumps(_plan(epochs).to_json()))
        undisturbed = Fit(place, "undisturbed", image_size)
        undisturbed.finish()
        marks = undisturbed.history[-1].marks
        killed, parts, halves = Fit(place, "killed", image_size), [], 0
        for moment in kill_moments.draw(undisturbed.history, kills, seed):
            is_extracting = kill_moments.part_after(marks, moment.marks) == "extraction"
            # Half a file is rare: every second kill waits for one.
            printed = killed.run_until(moment, is_extracting and len(parts) % 2 == 1)
            parts.append(kill_moments.part_after(marks, printed))
            halves += killed.is_writing()
        killed.finish()
        values = {
            **{f"kills_{part}": parts.count(part) for part in ("extraction", "training")},
            "kills_write": halves,
            "shards": killed.shards(),
            **compared(undisturbed.cache, killed.cache),
            "missing": sum(not (killed.output / name).exists() for name in _RESULTS),
        }
    return [{"row": row, "values": values}]


def _plan(epochs):
    """A head, then most of the network, both on features."""
    policies = {"head": freezing.FreezeAll(), "last stages": freezing.FreezeUpTo(_CUT)}
    phases = [
        training.Phase(policy, number, 1e-3, views=_VIEWS, name=name)
        for (name, policy), number in zip(policies.items(), epochs, strict=True)
    ]
    return training.Plan(phases)


class Fit:
    """One command, which can be run again and again.

    Args:
        place: the folder with `pictures` and `plan.json`.
        name: of the folders that it writes there.
        image_size: height and width.

    Attributes:
        output: the run folder.
        cache: the folder of the features.
        history: the `Progress` of the last run at each of its changes.
    """

    def __init__(self, place, name, image_size):
        self.output, self.cache = place / f"{name}-run", place / f"{name}-cache"
        self.history, self._lines, self._left_over = [], [], set()
        self._command = [
            sys.executable, "-m", "keras_transfer.cli", "fit", str(place / "pictures"),
            "--backbone", "MobileNetV2", "--alpha", "0.35", "--weights", "none",
            "--image-size", str(image_size), "--augmentation", "light",
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
