"""Measures of boxes: COCO's average precision, and errors in counting."""

import contextlib
import dataclasses
import importlib.util
import io
from collections.abc import Sequence

import numpy as np

from keras_transfer._text import counted

# pycocotools sorts boxes by their area in pixels; all sizes count here.
_SIDE = 1000.0
_THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)


@dataclasses.dataclass(frozen=True)
class BoxMeasures:
    """Measures of the boxes of one class.

    Attributes:
        name: the name of the class.
        boxes: the number of its true boxes.
        ap50: the average precision of boxes that overlap a true one by an intersection over
            union of at least 0.5. None without true boxes.
        ap: its mean over 0.5, 0.55 and so on to 0.95, COCO's measure; or None.
        threshold: the score from which on a box is counted.
        count_error: the mean over the images of the absolute difference between the number of
            counted boxes and of true ones.
        mean_count: the mean number of true boxes in an image.
    """

    name: str
    boxes: int
    ap50: float | None
    ap: float | None
    threshold: float
    count_error: float
    mean_count: float


@dataclasses.dataclass(frozen=True)
class PerBox:
    """Measures of predicted boxes.

    Attributes:
        classes: a tuple of `BoxMeasures`.
        images: the number of images.
        ap50: the mean of the classes with true boxes.
        ap: the same.
    """

    classes: tuple[BoxMeasures, ...]
    images: int
    ap50: float
    ap: float

    def rows(self):
        """A row for each class, the first one the header."""
        found = [
            ("class", "boxes", "AP50", "AP", "counted from", "error of the count", "mean count")
        ]
        for one in self.classes:
            shares = ("-" if share is None else f"{share:.1%}" for share in (one.ap50, one.ap))
            figures = one.threshold, one.count_error, one.mean_count
            counts = (f"{figure:.2f}" for figure in figures)
            found.append((one.name, str(one.boxes), *shares, *counts))
        return found

    @property
    def conclusion(self) -> str:
        """What the measures say, in a sentence."""
        known = [(one.ap50, one.name) for one in self.classes if one.ap50 is not None]
        lowest, weakest = min(known)
        return (
            f"AP50 of {self.ap50:.1%} and AP of {self.ap:.1%} over "
            f"{counted(len(known), 'class', 'classes')} and "
            f"{counted(self.images, 'image')}; weakest class: {weakest} with an AP50 of "
            f"{lowest:.1%}."
        )

    def to_json(self):
        """The measures as a dict."""
        values = dataclasses.asdict(self)
        values["classes"] = {one.pop("name"): one for one in values["classes"]}
        return values

    @classmethod
    def from_json(cls, values):
        """The measures that `to_json` described."""
        classes = tuple(
            BoxMeasures(name=name, **one) for name, one in values["classes"].items()
        )
        return cls(classes, *(values[name] for name in ("images", "ap50", "ap")))


def per_box(
    predicted: np.ndarray,
    true: np.ndarray,
    class_names: Sequence[str],
    threshold: float | Sequence[float] = 0.3,
) -> PerBox:
    """Measures predicted boxes by COCO's average precision.

    It needs pycocotools, which comes with the extra `detection`.

    Args:
        predicted: float array `(images, boxes, 6)`: left, top, right and bottom as fractions of
            the image, the score, and the class; the class -1 is no box.
        true: float array `(images, boxes, 5)`: the same without a score.
        class_names: the names of the classes.
        threshold: the score from which on a box is counted, one for all classes or one for
            each. Defaults to 0.3.

    Returns:
        A `PerBox`.

    Raises:
        ImportError: if pycocotools is not installed.
        ValueError: if there is no true box, or the arrays do not fit.

    Example:
        >>> true = np.array([[[0.1, 0.1, 0.5, 0.5, 0]]])
        >>> predicted = np.array([[[0.1, 0.1, 0.5, 0.4, 0.9, 0]]])
        >>> measured = calibration.per_box(predicted, true, ["cell"])
        >>> round(measured.ap50, 2), round(measured.ap, 2), measured.classes[0].count_error
        (1.0, 0.6, 0.0)
    """
    predicted, true = np.asarray(predicted, "float64"), np.asarray(true, "float64")
    fits = predicted.ndim == true.ndim == 3 and len(predicted) == len(true)
    fits = fits and (predicted.shape[2], true.shape[2]) == (6, 5)
    if not fits or not (true[..., 4] >= 0).any():
        raise ValueError(
            "`predicted` and `true` must have the shapes (images, boxes, 6) and (images, "
            "boxes, 5), with at least one true box. Received: arrays of shape "
            f"{predicted.shape} and {true.shape}"
        )
    precision = _precisions(predicted, true, len(class_names))
    thresholds = np.broadcast_to(threshold, len(class_names)).tolist()
    classes = []
    for index, (name, least) in enumerate(zip(class_names, thresholds, strict=True)):
        counts = (true[..., 4] == index).sum(axis=1)
        found = (predicted[..., 5] == index) & (predicted[..., 4] >= least)
        number = int(counts.sum())
        classes.append(
            BoxMeasures(
                str(name), number,
                float(precision[0, index]) if number else None,
                float(precision[:, index].mean()) if number else None,
                float(least),
                float(np.abs(found.sum(axis=1) - counts).mean()),
                float(counts.mean()),
            )
        )  # fmt: skip
    known = [one for one in classes if one.boxes]
    ap50, ap = (
        float(np.mean([getattr(one, name) for one in known])) for name in ("ap50", "ap")
    )
    return PerBox(tuple(classes), len(true), ap50, ap)


def count_thresholds(predicted: np.ndarray, true: np.ndarray, num_classes: int) -> list[float]:
    """The score of each class with the lowest error of its count, the middle one of such."""
    found = []
    for kind in range(num_classes):
        counts = (true[..., 4] == kind).sum(axis=1)
        scores = np.where(predicted[..., 5] == kind, predicted[..., 4], -1.0)
        errors = np.array(
            [np.abs((scores >= least).sum(axis=1) - counts).sum() for least in _THRESHOLDS]
        )
        best = _THRESHOLDS[errors == errors.min()]
        found.append(float(best[len(best) // 2]))
    return found


def check_pycocotools():
    """Raises `ImportError` unless pycocotools is installed."""
    if importlib.util.find_spec("pycocotools") is None:
        raise ImportError(
            "The average precision of boxes needs pycocotools: pip install "
            "'keras-transfer[detection]'"
        )


def _precisions(predicted, true, number):
    """The average precision at each overlap and of each class, an array of shape (10, ...)."""
    check_pycocotools()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it prints tables
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(len(true))],
            "categories": [{"id": kind} for kind in range(number)],
            "annotations": [
                {**one, "id": index, "iscrowd": 0} for index, one in enumerate(_rows(true), 1)
            ],
        }
        truth.createIndex()
        found = list(_rows(predicted))
        if not found:
            return np.zeros((10, number))
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.params.catIds = list(range(number))
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return np.maximum(precision, 0.0).mean(axis=1)


def _rows(boxes):
    """COCO's dict of each box, with its score if there is one."""
    for image, row in enumerate(boxes):
        for left, top, right, bottom, *score, kind in row[row[:, -1] >= 0].tolist():
            sides = [left, top, right - left, bottom - top]
            scaled = [_SIDE * side for side in sides]
            found = {
                "image_id": image, "category_id": int(kind), "bbox": scaled,
                "area": scaled[2] * scaled[3],
            }  # fmt: skip
            yield {**found, "score": score[0]} if score else found
