"""Cross-validation of a run: each image is tested once, by a model that did not see it."""

import dataclasses
import json
import os
import pathlib

import numpy as np

from keras_transfer._files import write_text_aside
from keras_transfer._statistics.groups import unit_numbers
from keras_transfer.runs.fitting import fit
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.predictions import Predictions
from keras_transfer.runs.run import Run

_RESULT = "folds.json"


@dataclasses.dataclass(frozen=True)
class CrossValidation:
    """The measures of a cross-validation.

    Attributes:
        num_images: the number of test images of each fold.
        folds: for each measure, by its name, its value on the test images of each fold: of
            classes the accuracy, of labels the mean average precision and the micro F1, of
            numbers the mean absolute error of each.
        values: the same measures of the test images of all folds together.
        intervals: `(low, high)` of these, 95%. They are for models of one fold's size and do
            not include the choice of the images.
        are_shares: whether the measures are shares, which are written as percentages.
    """

    num_images: tuple
    folds: dict
    values: dict
    intervals: dict
    are_shares: bool = True

    @property
    def conclusion(self):
        """The measures, their intervals and their range over the folds, in sentences."""
        found = []
        for name, value in self.values.items():
            low, high = self.intervals[name]
            parts = (value, low, high, min(self.folds[name]), max(self.folds[name]))
            value, low, high, least, most = map(self._text, parts)
            found.append(
                f"{name[0].upper()}{name[1:]} {value} (95% CI {low} to {high}, n = "
                f"{sum(self.num_images)}), between {least} and {most} in "
                f"{len(self.num_images)} folds."
            )
        end = "Each example was tested once, by a model that was not trained on it."
        return " ".join([*found, end])

    def _text(self, value):
        return f"{value:.1%}" if self.are_shares else f"{value:.4g}"

    def rows(self):
        """A row for each fold, the first one the header."""
        rows = [
            (str(number + 1), str(count), *(self._text(one[number]) for one in
             self.folds.values()))
            for number, count in enumerate(self.num_images)
        ]  # fmt: skip
        return [("fold", "examples", *self.folds), *rows]

    def to_json(self):
        """The figures as numbers and lists."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def cross_validate(
    data: str | os.PathLike,
    backbone: str = "MobileNetV2",
    output: str | os.PathLike = "run",
    folds: int = 5,
    **arguments,
) -> CrossValidation | None:
    """Trains and tests a model for each fold, as `fit` does, to estimate how good it is.

    Use it with few images, where one validation set says little. Each fold is a run in a folder
    of its own; of the other images, a part is the validation set that chooses the epoch. If it
    is killed, the same call resumes with the unfinished fold. To get a model for use, train it
    on all images with `fit`.

    Args:
        data: as in `fit`, the path of a folder or of a CSV file.
        backbone: the name of a network, as in `fit`.
        output: the folder for `fold-1` and so on, and `folds.json`. Defaults to "run".
        folds: the number of folds, at least 2. Defaults to 5.
        **arguments: of `fit`.

    Returns:
        A `CrossValidation`; None on workers other than the chief.

    Raises:
        FileExistsError, ValueError, Preempted: as in `fit`.

    Example:

    >>> plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2)])
    >>> found = runs.cross_validate("photos", backbone, "run", 2, plan=plan, verbose=0)
    >>> sum(found.num_images)
    36
    """
    if not isinstance(folds, int) or folds < 2:
        raise ValueError(f"`folds` must be an integer of at least 2. Received: folds={folds!r}")
    output = pathlib.Path(output)
    runs = []
    for index in range(folds):
        place = output / f"fold-{index + 1}"
        if RunFolder(place).is_finished:
            runs.append(_finished(place, (index, folds)))
        else:
            runs.append(fit(data, backbone, place, fold=(index, folds), **arguments))
    if None in runs:
        return None
    found = _pooled(runs)
    text = json.dumps(found.to_json(), indent=2) + "\n"
    write_text_aside(output / _RESULT, text)
    return found


def _pooled(runs):
    """The `CrossValidation` of the runs of all folds."""
    task, names = runs[0].task, runs[0].class_names
    tested = [run.predictions["test"] for run in runs]
    outputs, labels = (
        np.concatenate([getattr(one, part) for one in tested]) for part in ("outputs", "labels")
    )
    together = Predictions("test", outputs, labels, (), groups=_pooled_groups(tested))
    thresholds = [run.label_threshold for run in runs]
    chosen = {"threshold": float(np.median(thresholds))}
    every = task.headlines(task.measure(together, names, runs[0].model, chosen))
    by_fold = [task.headlines(run.metrics["test"]) for run in runs]
    return CrossValidation(
        tuple(run.metrics["test"]["images"] for run in runs),
        {name: tuple(found[name][0] for found in by_fold) for name in every},
        {name: value for name, (value, _) in every.items()},
        {name: tuple(interval) for name, (_, interval) in every.items()},
        are_shares=task.name != "numbers",
    )


def _pooled_groups(tested):
    """The groups of all folds, each of which is in one; None without groups."""
    if any(one.groups is None for one in tested):
        return None
    pairs = [(fold, group) for fold, one in enumerate(tested) for group in one.groups.tolist()]
    return unit_numbers(pairs)


def _finished(place, fold):
    """The finished run of a fold; raises `FileExistsError` if it is one of another fold."""
    run = Run(place)
    if run.settings.get("fold") != list(fold):
        raise FileExistsError(
            f"'{place}' holds another run; nothing was overwritten. Name a new folder with "
            "--output."
        )
    return run
