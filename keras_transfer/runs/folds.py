"""Cross-validation of a run: each image is tested once, by a model that did not see it."""

import dataclasses
import json
import os
import pathlib

import numpy as np

from keras_transfer._files import write_text_aside
from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer.runs.fitting import fit
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.run import Run

_RESULT = "folds.json"


@dataclasses.dataclass(frozen=True)
class CrossValidation:
    """The accuracies of a cross-validation.

    Attributes:
        accuracies: the accuracy on the test images of each fold.
        num_images: the number of test images of each fold.
        accuracy: the share of all images that were classified correctly.
        interval: `(low, high)`, its 95% Wilson interval. It is for models of one fold's size
            and does not include the choice of the images.
    """

    accuracies: tuple
    num_images: tuple
    accuracy: float
    interval: tuple

    @property
    def conclusion(self):
        """The accuracy, its interval and the range over the folds, in a sentence."""
        low, high = self.interval
        return (
            f"Accuracy {self.accuracy:.1%} (95% CI {low:.1%} to {high:.1%}, n = "
            f"{sum(self.num_images)}), between {min(self.accuracies):.1%} and "
            f"{max(self.accuracies):.1%} in {len(self.accuracies)} folds. Each image was "
            "tested once, by a model that was not trained on it."
        )

    def rows(self):
        """A row for each fold, the first one the header."""
        pairs = zip(self.accuracies, self.num_images, strict=True)
        rows = [(str(number), f"{count}", f"{share:.1%}") for number, (share, count) in
                enumerate(pairs, 1)]  # fmt: skip
        return [("fold", "images", "accuracy"), *rows]

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
    """Trains and tests a model for each fold, as `fit` does, to estimate its accuracy.

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
    measured = [run.metrics["test"] for run in runs]
    counts = [found["images"] for found in measured]
    right = [round(found["accuracy"] * found["images"]) for found in measured]
    found = CrossValidation(
        tuple(found["accuracy"] for found in measured),
        tuple(counts),
        float(np.sum(right) / np.sum(counts)),
        wilson_interval(sum(right), sum(counts)),
    )
    text = json.dumps(found.to_json(), indent=2) + "\n"
    write_text_aside(output / _RESULT, text)
    return found


def _finished(place, fold):
    """The finished run of a fold; raises `FileExistsError` if it is one of another fold."""
    run = Run(place)
    if run.settings.get("fold") != list(fold):
        raise FileExistsError(
            f"'{place}' holds another run; nothing was overwritten. Name a new folder with "
            "--output."
        )
    return run
