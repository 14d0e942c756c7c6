"""A finished run, as its report reads it."""

import csv
import pathlib

from keras_transfer.runs.run_record import RunRecord, read_json

_FINDINGS = ("recommend", "rank", "probe", "find-lr", "audit")


class RunResults:
    """The files of a run folder.

    Args:
        directory: the folder that `keras-transfer fit` wrote.

    Attributes:
        directory: the folder, a `pathlib.Path`.
        settings: the contents of `run.json`.
        plan: those of `plan.json`.
        metrics: those of `metrics.json`.
        history: a dict of column to its values, from `history.csv`.
        predictions: a dict of split to `Predictions`.
        course: what `course_of` returned, or an empty dict.
        findings: a dict of command to what its JSON file holds, of those that were run.
        damaged: the names of the commands whose JSON file holds nothing of the kind.

    Raises:
        FileNotFoundError: if the folder holds no finished run.
        ValueError: if one of its files is damaged.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.settings, self.plan, self.metrics = (
            self._required(name) for name in ("run.json", "plan.json", "metrics.json")
        )
        self.history = self._history()
        record = RunRecord(self.directory)
        self.predictions, self.course = record.predictions(), record.course()
        contents = {name: read_json(self.directory / f"{name}.json") for name in _FINDINGS}
        self.findings = {
            name: found for name, found in contents.items() if isinstance(found, dict)
        }
        there = (name for name in _FINDINGS if (self.directory / f"{name}.json").exists())
        self.damaged = tuple(name for name in there if name not in self.findings)

    @property
    def measured(self):
        """The split that tells most of other pictures: "test", "validation" or None."""
        return next((name for name in ("test", "validation") if name in self.metrics), None)

    def _required(self, name):
        path = self.directory / name
        if not path.is_file() and name != "run.json":
            raise FileNotFoundError(
                f"'{self.directory}' holds an unfinished run: there is no '{name}'. The same "
                "`keras-transfer fit` command goes on with it."
            )
        if not path.is_file():
            raise FileNotFoundError(
                f"'{self.directory}' holds no run: there is no '{name}'. Make one "
                f"with `keras-transfer fit DATA --output {self.directory}`."
            )
        found = read_json(path)
        if not isinstance(found, dict):
            raise ValueError(f"'{path}' is damaged: it holds no JSON object.")
        return found

    def _history(self):
        path = self.directory / "history.csv"
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"'{path}' cannot be read: {error}") from error
        return {name: [_value(row[name]) for row in rows] for name in (rows[0] if rows else ())}


def _value(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return text
