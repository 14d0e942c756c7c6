"""The file of results, written after each measurement."""

import json
import os
import pathlib
import tempfile

from benchmarks import machine, summary


class Results:
    """Finished measurements, and what they were made on.

    Args:
        path: the JSON file, or None to write nothing.
        runs: a list of what `machine.describe` returned; the last one is this run.
        measurements: a list of dicts with `job`, `run` (the place in `runs`), `date`,
            `seconds` (of the whole child process) and `rows`.
    """

    def __init__(self, path, runs=(), measurements=()):
        self.path = None if path is None else pathlib.Path(path)
        self.runs, self.measurements = list(runs), list(measurements)

    @classmethod
    def open(cls, path, resume, run):
        """New results, or with `resume` those of an existing file.

        Args:
            path: see `Results`.
            resume: whether what an existing file holds is kept.
            run: what `machine.describe` returned.

        Raises:
            FileExistsError: the file exists and is not to be resumed.
        """
        if path is None or not pathlib.Path(path).exists():
            return cls(path, [run])
        if not resume:
            raise FileExistsError(
                f"'{path}' holds the results of an earlier run. Go on from them with "
                "`--resume`, or name another file with `--output`."
            )
        found = read(path)
        return cls(path, [*found["runs"], run], found["measurements"])

    def find(self, job):
        """The rows of a job that is finished, or None."""
        wanted = job.to_json()
        for measurement in self.measurements:
            if measurement["job"] == wanted and _is_finished(measurement):
                return measurement["rows"]
        return None

    def add_failure(self, job, error):
        """Notes that a job failed; it is not finished."""
        self.add(job, [{"row": job.row, "failed": error}], None)

    def add(self, job, rows, seconds):
        """Adds the rows of a finished job and writes the file."""
        wanted = job.to_json()
        self.measurements = [
            measurement for measurement in self.measurements if measurement["job"] != wanted
        ]
        self.measurements.append(
            {
                "job": wanted,
                "run": len(self.runs) - 1,
                "date": machine.now(),
                "seconds": seconds,
                "rows": rows,
            }
        )
        self.write()

    def to_json(self):
        """All of it as dicts and lists, with the medians."""
        return {
            "runs": self.runs,
            "medians": medians(self.measurements),
            "measurements": self.measurements,
        }

    def write(self):
        """Writes the file aside and renames it, so that a kill leaves a whole one."""
        if self.path is None:
            return
        handle, aside = tempfile.mkstemp(dir=self.path.absolute().parent, suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self.to_json(), file, indent=1)
        os.replace(aside, self.path)


def read(path):
    """The content of a file of results."""
    return json.loads(pathlib.Path(path).read_text("utf-8"))


def grouped(measurements):
    """The rows of all measurements by suite and group, and there by name.

    Returns:
        A dict from `(suite, group, quick)`, the group as a tuple of pairs, to a dict from a
        row's name to a list of rows, all in the order in which they were measured.
    """
    groups = {}
    for measurement in measurements:
        job = measurement["job"]
        key = (job["suite"], tuple(job["group"].items()), job["quick"])
        rows = groups.setdefault(key, {})
        for row in measurement["rows"]:
            rows.setdefault(row["row"], []).append(row)
    return groups


def medians(measurements):
    """For each row its medians and how often each value was measured, as a list of dicts."""
    found = []
    for (suite, group, quick), by_name in grouped(measurements).items():
        for name, rows in by_name.items():
            values = dict.fromkeys(key for row in rows for key in row.get("values", {}))
            spreads = {key: summary.spread(summary.values_of(rows, key)) for key in values}
            found.append(
                {
                    "suite": suite,
                    "group": dict(group),
                    "quick": quick,
                    "row": name,
                    "medians": {value: spread.median for value, spread in spreads.items()},
                    "repeated": {value: spread.number for value, spread in spreads.items()},
                }
            )
    return found


def _is_finished(measurement):
    return all("values" in row for row in measurement["rows"])
