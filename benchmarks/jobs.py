"""Measurements, each in a process of its own, and the file of their results."""

import dataclasses
import datetime
import importlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ("keras-transfer", "keras", "tensorflow", "openvino", "numpy", "pillow")
_LINES_OF_AN_ERROR = 5
# No measurement takes this many seconds: a child that does hangs.
_LONGEST = 3 * 60 * 60


class UnavailableError(Exception):
    """What is to be measured is absent; the message says what and why."""


class ChildError(RuntimeError):
    """A child process ended with an error."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What one child process measures.

    Attributes:
        suite: the suite it belongs to.
        function: module and name of the function of this package that measures, such as
            "recipes.guide". It returns rows: dicts with `row`, the name, and `values`.
        arguments: its keyword arguments, and `row`, the name of its row, if it has one.
        group: what its rows have in common with those they are compared with.
        seed: the seed, and `round`, the number of the repetition: only rows of equal seed and
            round are compared with each other.
        quick: whether this is a smoke test, whose figures mean nothing.
    """

    suite: str
    function: str
    arguments: dict
    group: dict
    seed: int = 0
    round: int = 0
    quick: bool = False

    @property
    def row(self):
        """The name of the row, or of the function if it measures several."""
        return self.arguments.get("row", self.function)

    def __str__(self):
        group = ", ".join(map(str, self.group.values()))
        return f"{self.suite}: {self.row} ({group}; seed {self.seed}, round {self.round})"

    def to_json(self):
        """The job as numbers, strings and dicts: equal only for equal configurations."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def run(self):
        """Its rows, measured in a child process; `ChildError` with the end of its output."""
        command = [sys.executable, "-m", "benchmarks.jobs", json.dumps(self.to_json())]
        with tempfile.TemporaryDirectory() as cache:
            # The next child must not find what the library keeps between runs.
            own = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_TRANSFER_CACHE": cache}
            try:
                done = subprocess.run(
                    command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=_LONGEST
                )
            except subprocess.TimeoutExpired as error:
                raise ChildError(f"did not end within {_LONGEST} seconds") from error
        if done.returncode:
            raise ChildError("\n".join(done.stderr.splitlines()[-_LINES_OF_AN_ERROR:]))
        rows = json.loads(done.stdout.splitlines()[-1])
        # A child that alternates by itself counts its own rounds.
        return [{"seed": self.seed, "round": self.round, **row} for row in rows]


def measure(job):
    """The rows of a job, measured in this process."""
    module, name = job.function.split(".")
    try:
        return getattr(importlib.import_module(f"benchmarks.{module}"), name)(**job.arguments)
    except UnavailableError as reason:
        return [{"row": job.row, "skipped": str(reason)}]


class Results:
    """Finished measurements and the machines they were made on, in a JSON file.

    Args:
        path: the file; it is written after each measurement.
        resume: whether to keep what an existing file holds. Without it the file must not exist.
    """

    def __init__(self, path, resume=False):
        self.path, self.runs, self.measurements = pathlib.Path(path), [], []
        if self.path.exists():
            if not resume:
                raise FileExistsError(
                    f"'{path}' holds the results of an earlier run. Continue it with "
                    "`--resume`, or name another file with `--output`."
                )
            found = read(path)
            self.runs, self.measurements = found["runs"], found["measurements"]
        self.runs.append(machine())

    def find(self, job):
        """The rows of a job if it is finished, else None."""
        for one in self.measurements:
            if one["job"] == job.to_json() and all("values" in row for row in one["rows"]):
                return one["rows"]
        return None

    def add(self, job, rows, seconds=None):
        """Adds the rows of a job in the place of earlier ones, and writes the file."""
        others = [one for one in self.measurements if one["job"] != job.to_json()]
        added = {"job": job.to_json(), "run": len(self.runs) - 1, "date": now()}
        self.measurements = [*others, {**added, "seconds": seconds, "rows": rows}]
        # Aside and renamed: a kill leaves a whole file.
        handle, aside = tempfile.mkstemp(dir=self.path.absolute().parent, suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"runs": self.runs, "measurements": self.measurements}, file, indent=1)
        os.replace(aside, self.path)


def read(path):
    """The content of a file of results."""
    return json.loads(pathlib.Path(path).read_text("utf-8"))


def machine():
    """The machine, the versions and the date, as a dict for JSON."""
    return {
        "date": now(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_before": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
        "commit": _commit(),
    }


def now():
    """The time, to the second and with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _commit():
    """The commit, with "-dirty" after it if files were changed; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


if __name__ == "__main__":
    # The module as others import it: its `UnavailableError` is the one that they raise.
    from benchmarks import jobs

    print(json.dumps(jobs.measure(jobs.Job(**json.loads(sys.argv[1])))))
