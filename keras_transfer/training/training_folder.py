"""The folder of a training: what it leaves, and what it goes on from."""

import contextlib
import csv
import json
import pathlib

from keras_transfer._files import held, write_aside, write_text_aside
from keras_transfer.plans.plan import Plan
from keras_transfer.training.checkpoints import Checkpoints
from keras_transfer.training.run_settings import differences

_PLAN, _HISTORY, _MODEL = "plan.json", "history.csv", "model.keras"
_SETTINGS, _LOCK = "settings.json", ".lock"


class TrainingFolder:
    """`plan.json`, `history.csv`, `model.keras`, and a folder `checkpoints`.

    Args:
        directory: the folder; it is made if there is none.
        writes: whether this process is the one that writes. Of several workers it is the
            chief; the others read. Defaults to True.
    """

    def __init__(self, directory, writes=True):
        self.path = pathlib.Path(directory)
        self.writes = writes
        self.checkpoints = Checkpoints(self.path / "checkpoints")

    @contextlib.contextmanager
    def taken(self):
        """Makes the folder and keeps other processes from it.

        Raises:
            FileExistsError: if another process is training in it.
            NotADirectoryError: if it is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(
                f"`directory` must be a folder. Received: directory={str(self.path)!r}, a file"
            )
        if not self.writes:
            yield
            return
        self.checkpoints.directory.mkdir(parents=True, exist_ok=True)
        message = f"Another process is training in '{self.path}'. Wait for it, or name another."
        with held(self.checkpoints.directory / _LOCK, message):
            for left_over in self.path.rglob(".writing-*"):  # by a process that was killed
                if left_over.is_file():
                    left_over.unlink(missing_ok=True)
            yield

    def plan_begun(self, settings):
        """The plan of the training that was begun here, or None.

        Args:
            settings: what this one is started with, as `settings_of` returns it.

        Raises:
            ValueError: if it was begun with others.
        """
        try:
            begun = dict(json.loads((self._settings_path).read_text("utf-8")))
            plan = Plan.from_json(json.loads((self.path / _PLAN).read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"'{self.path}' holds a training whose settings cannot be read "
                f"({type(error).__name__}: {error}). Name another folder."
            ) from error
        changed = differences(begun, settings)
        if changed:
            raise ValueError(
                f"'{self.path}' holds a training that was started with something else: "
                f"{changed}. Go on with the same, or name another folder."
            )
        return plan

    def begin(self, plan, settings):
        """Writes what a training is started with."""
        if self.writes:
            self._write_json(self.path / _PLAN, plan.to_json())
            self._write_json(self._settings_path, settings)

    def write_results(self, model, history):
        """Writes the model, and a row for each epoch with its phase."""
        if self.writes:
            write_aside(self.path / _HISTORY, lambda aside: _write_csv(history, aside))
            write_aside(self.path / _MODEL, model.save)

    def _write_json(self, path, values):
        write_text_aside(path, json.dumps(values, indent=2) + "\n")

    @property
    def _settings_path(self):
        return self.checkpoints.directory / _SETTINGS


def _write_csv(history, path):
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "phase", *history.history])
        columns = zip(history.epoch, history.phase, *history.history.values(), strict=True)
        rows.writerows(columns)
