"""What a training writes."""

import csv
import json
import pathlib

from keras_transfer.files import write_aside


def prepare(directory, plan):
    """Makes the folder of a training, with `plan.json`; None for no folder."""
    if directory is None:
        return None
    directory = pathlib.Path(directory)
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(
            f"`directory` must be a folder. Received: directory={str(directory)!r}, a file"
        )
    directory.mkdir(parents=True, exist_ok=True)
    write_aside(
        directory / "plan.json",
        lambda path: pathlib.Path(path).write_text(json.dumps(plan.to_json(), indent=2) + "\n"),
    )
    return directory


def write_history(history, path):
    """Writes a row an epoch, with its phase, as CSV."""

    def write(aside):
        with open(aside, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["epoch", "phase", *history.history])
            columns = zip(history.epoch, history.phase, *history.history.values(), strict=True)
            rows.writerows(columns)

    write_aside(path, write)


def save_model(model, path):
    """Saves a model as `.keras`, so that a kill leaves the old file or the new one."""
    write_aside(path, model.save)
