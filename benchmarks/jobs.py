"""A measurement, made in a process of its own."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

_ROOT = pathlib.Path(__file__).parents[1]
_LINES_OF_AN_ERROR = 5
# No measurement takes so many seconds: a child that does hangs.
_LONGEST = 3 * 60 * 60


@dataclasses.dataclass(frozen=True)
class Job:
    """What one child process measures.

    Attributes:
        suite: the suite it belongs to.
        module: the module of this package that measures.
        arguments: what the module's `measure` takes.
        group: what its rows have in common with those they are compared with: a dict.
        seed: the seed, and `round`, the number of the repetition: rows of equal seed and
            round are compared with each other, and of most suites were measured one after the
            other.
        quick: whether this is a smoke test, whose figures mean nothing.
    """

    suite: str
    module: str
    arguments: dict
    group: dict
    seed: int = 0
    round: int = 0
    quick: bool = False

    @property
    def row(self):
        """The name of the row that is measured, or of the module where it measures several."""
        return self.arguments.get("row", self.module)

    def describe(self):
        """A line that says what is measured."""
        group = ", ".join(str(value) for value in self.group.values())
        return f"{self.suite}: {self.row} ({group}; seed {self.seed}, round {self.round})"

    def to_json(self):
        """The job as numbers, strings and dicts: equal only for equal configurations."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


class ChildError(RuntimeError):
    """A child process ended with an error."""


def run(job):
    """Runs a job in a child process.

    Returns:
        A list of rows: dicts with `row`, `seed`, `round` and `values`, or `skipped`.

    Raises:
        ChildError: the child failed; with the last lines that it wrote.
    """
    command = [sys.executable, "-m", f"benchmarks.{job.module}", json.dumps(job.arguments)]
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **os.environ,
            # What the library keeps between runs would be found there by the next child.
            "KERAS_TRANSFER_CACHE": cache,
        }
        try:
            done = subprocess.run(
                command,
                cwd=_ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_LONGEST,
            )
        except subprocess.TimeoutExpired as error:
            raise ChildError(f"did not end within {_LONGEST} seconds") from error
    if done.returncode:
        raise ChildError("\n".join(done.stderr.splitlines()[-_LINES_OF_AN_ERROR:]))
    rows = json.loads(done.stdout.splitlines()[-1])
    # A child that alternates by itself counts its own rounds.
    return [{"seed": job.seed, "round": job.round, **row} for row in rows]
