"""The predictions of a run for the images of its splits, and their file."""

import dataclasses
import io
import pathlib

import numpy as np

from keras_transfer._files import write_aside
from keras_transfer._records import read_arrays
from keras_transfer._statistics.groups import unit_numbers

# Bytes of the predictions of a run: a file of a megabyte can hold a gigabyte of zeros.
_MOST_PREDICTED = 2**30


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The predictions of a model for the images of one split.

    Attributes:
        split: "validation" or "test".
        outputs: of the model: probabilities of shape `(images, classes)` or `(images,
            labels)`, or numbers; for masks the confusion of the pixels of each image,
            `(images, classes, classes)`; boxes of shape `(images, boxes, 6)`; float32.
        labels: the true classes, integers of shape `(images,)`; or labels or numbers of the
            shape of the outputs; for masks the pixels of each class, `(images, classes)`;
            boxes of shape `(images, boxes, 5)`.
        paths: the paths of the images as strings; empty for images that are not files.
        shown: further arrays for a page, by name.
        groups: for each image a number, equal for those of a group, an integer array; None
            without groups.
    """

    split: str
    outputs: np.ndarray
    labels: np.ndarray
    paths: tuple
    shown: dict = dataclasses.field(default_factory=dict)
    groups: np.ndarray | None = None

    @property
    def correct(self):
        """Whether each predicted class is correct."""
        return self.outputs.argmax(axis=1) == self.labels


def groups_of(splits, split):
    """The groups of a split of an `ImageSplits` as `Predictions` have them."""
    return unit_numbers(splits.groups[split]) if splits.groups else None


def write_predictions(path, predictions):
    """Writes a list of `Predictions`, all or none."""
    arrays = {}
    for one in predictions:
        arrays[f"{one.split}-outputs"] = one.outputs.astype("float32")
        kind = "int64" if one.labels.ndim == 1 else "float32"
        arrays[f"{one.split}-labels"] = np.asarray(one.labels, kind)
        # A path need not be valid Unicode.
        text = "\0".join(one.paths).encode("utf-8", "surrogateescape")
        arrays[f"{one.split}-paths"] = np.frombuffer(text, "uint8")
        arrays |= {f"{one.split}-{name}": array for name, array in one.shown.items()}
        if one.groups is not None:
            arrays[f"{one.split}-groups"] = one.groups
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(content.getvalue()))


def read_predictions(path):
    """A dict of split to `Predictions`.

    Raises:
        OSError, ValueError, KeyError: if the file is corrupt.
    """
    arrays = read_arrays(path, _MOST_PREDICTED)
    return {
        split: dataclasses.replace(_predictions(arrays, split), groups=_groups(arrays, split))
        for split in ("validation", "test")
        if f"{split}-labels" in arrays
    }


def _predictions(arrays, split):
    # Older versions knew classes only.
    name = f"{split}-outputs" if f"{split}-outputs" in arrays else f"{split}-probabilities"
    outputs, labels = arrays[name], arrays[f"{split}-labels"]
    text = arrays[f"{split}-paths"].tobytes().decode("utf-8", "surrogateescape")
    paths = tuple(text.split("\0")) if text else ()
    if labels.ndim == 3:
        return _boxes(split, outputs, labels, paths)
    kinds = {1: "iu", 2: "f"}.get(labels.ndim, "")  # classes; labels or numbers
    fits = (
        outputs.ndim in (2, 3)
        and outputs.dtype.kind == "f"
        and labels.dtype.kind in kinds
        and labels.shape == outputs.shape[: labels.ndim]
        and len(paths) in (0, len(labels))
    )
    if not fits:
        raise ValueError(f"the parts of '{split}' do not fit")
    if labels.ndim == 2:
        if not (np.isfinite(outputs).all() and np.isfinite(labels).all()):
            raise ValueError(f"the numbers of '{split}' are not finite")
        return Predictions(split, outputs, labels, paths, _shown(arrays, split, len(labels)))
    # Comparisons with NaN are false.
    are_shares = ((outputs >= 0) & (outputs <= 1.0001)).all()
    if not are_shares or not ((labels >= 0) & (labels < outputs.shape[1])).all():
        raise ValueError(f"the numbers of '{split}' are no probabilities and classes")
    return Predictions(split, outputs, labels, paths)


def _groups(arrays, split):
    groups = arrays.get(f"{split}-groups")
    shape = arrays[f"{split}-labels"].shape[:1]
    if groups is not None and (groups.dtype.kind not in "iu" or groups.shape != shape):
        raise ValueError(f"the groups of '{split}' do not fit")
    return groups


def _boxes(split, outputs, labels, paths):
    fits = outputs.ndim == 3 and (outputs.shape[2], labels.shape[2]) == (6, 5)
    fits = fits and len(outputs) == len(labels) and len(paths) in (0, len(labels))
    if not fits or outputs.dtype.kind + labels.dtype.kind != "ff":
        raise ValueError(f"the parts of '{split}' do not fit")
    if not (np.isfinite(outputs).all() and np.isfinite(labels).all()):
        raise ValueError(f"the numbers of '{split}' are not finite")
    return Predictions(split, outputs, labels, paths)


def _shown(arrays, split, number):
    """The masks that a page shows; none if they do not fit."""
    worst, true, predicted = (
        arrays.get(f"{split}-{name}") for name in ("worst", "true", "predicted")
    )
    if worst is None or true is None or predicted is None:
        return {}
    fits = worst.ndim == 1 and worst.dtype.kind in "iu" and true.dtype == "uint8"
    fits = fits and ((worst >= 0) & (worst < number)).all() and predicted.dtype == "uint8"
    if not fits or true.ndim != 3 or true.shape != predicted.shape or len(true) != len(worst):
        raise ValueError(f"the masks of '{split}' do not fit")
    return {"worst": worst, "true": true, "predicted": predicted}
