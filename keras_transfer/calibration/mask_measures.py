"""Measures of masks: intersection over union, precision and recall of each class."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_transfer._statistics.bootstrap import resampled, span
from keras_transfer.heads.segmentation_measures import class_ious

_DRAWS = 500


@dataclasses.dataclass(frozen=True)
class MaskMeasures:
    """Measures of one class, over the pixels of all images.

    Attributes:
        name: the name of the class.
        pixels: the number of its true pixels.
        iou: the intersection over union: pixels of the class that are predicted as it, divided
            by those that are either. None if no true pixel has the class.
        iou_interval: `(low, high)`, its 95% bootstrap interval over the images, or None.
        precision: the share of the pixels predicted as the class that are of it, or None.
        recall: the share of its pixels that are predicted as it, or None.
    """

    name: str
    pixels: int
    iou: float | None
    iou_interval: tuple[float, float] | None
    precision: float | None
    recall: float | None


@dataclasses.dataclass(frozen=True)
class PerPixel:
    """Measures of predicted masks, with 95% bootstrap intervals over the images.

    Attributes:
        classes: a tuple of `MaskMeasures`.
        images: the number of images.
        mean_iou: the mean intersection over union of the classes that occur.
        mean_iou_interval: `(low, high)`, or None.
        pixel_accuracy: the share of pixels whose class is right.
        largest: the share of pixels of the most frequent class: the accuracy of always
            predicting it.
        confusion: pixels, a row for each true class and a column for each predicted one.
    """

    classes: tuple[MaskMeasures, ...]
    images: int
    mean_iou: float
    mean_iou_interval: tuple[float, float] | None
    pixel_accuracy: float
    largest: float
    confusion: tuple[tuple[int, ...], ...]

    def rows(self):
        """A row for each class, the first one the header."""
        found = [("class", "share of pixels", "IoU", "95% CI", "precision", "recall")]
        total = max(1, sum(one.pixels for one in self.classes))
        for one in self.classes:
            low_high = one.iou_interval
            interval = "-" if low_high is None else "{:.1%} to {:.1%}".format(*low_high)
            found.append(
                (
                    one.name, f"{one.pixels / total:.1%}", _percent(one.iou), interval,
                    _percent(one.precision), _percent(one.recall),
                )
            )  # fmt: skip
        return found

    @property
    def conclusion(self) -> str:
        """What the measures say, in a sentence."""
        known = [(one.iou, one.name) for one in self.classes if one.iou is not None]
        lowest, weakest = min(known)
        interval = self.mean_iou_interval
        span_text = "" if interval is None else " (95% CI {:.1%} to {:.1%})".format(*interval)
        return (
            f"Mean IoU of {self.mean_iou:.1%}{span_text} over {len(known)} classes and "
            f"{self.images} images; weakest class: {weakest} with {lowest:.1%}."
        )

    def to_json(self):
        """The measures as a dict."""
        values = dataclasses.asdict(self)
        values["classes"] = {one.pop("name"): one for one in values["classes"]}
        values["confusion"] = [list(row) for row in self.confusion]
        return values

    @classmethod
    def from_json(cls, values):
        """The measures that `to_json` described."""
        classes = tuple(
            MaskMeasures(name=name, **{key: one.get(key) for key in _FIELDS})
            for name, one in values["classes"].items()
        )
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{**{name: values[name] for name in names}, "classes": classes})


_FIELDS = ("pixels", "iou", "iou_interval", "precision", "recall")


def per_pixel(
    confusions: np.ndarray,
    class_names: Sequence[str],
    groups: Sequence | np.ndarray | None = None,
) -> PerPixel:
    """Measures predicted masks.

    Args:
        confusions: an integer array `(images, classes, classes)`: the pixels of each image, a
            row for each true class and a column for each predicted one.
        class_names: the names of the classes.
        groups: for each image its group, such as a patient, or None: images of a group are
            alike, so intervals count groups. Defaults to None, no groups.

    Returns:
        A `PerPixel`.

    Raises:
        ValueError: if the array has another shape, or no pixel has a class.

    Example:
        >>> confusions = np.array([[[30, 10], [0, 60]]])
        >>> measured = calibration.per_pixel(confusions, ["field", "road"])
        >>> [one.iou for one in measured.classes], measured.pixel_accuracy
        ([0.75, 0.8571428571428571], 0.9)
    """
    counts = np.asarray(confusions, "float64")
    number = len(class_names)
    if counts.ndim != 3 or counts.shape[1:] != (number, number) or not counts.sum():
        raise ValueError(
            "`confusions` must be the pixels of at least one image, of shape (images, "
            f"{number}, {number}). Received: an array of shape {counts.shape}"
        )
    total = counts.sum(axis=0)
    true, predicted, both = total.sum(axis=1), total.sum(axis=0), np.diagonal(total)
    draws = resampled(len(counts), _DRAWS, groups=groups)
    flat = draws @ counts.reshape(len(counts), -1)
    ious = np.stack([class_ious(one.reshape(number, number)) for one in flat])
    present = true > 0
    classes = tuple(
        MaskMeasures(
            name=str(name),
            pixels=int(true[index]),
            iou=_share(both[index], true[index] + predicted[index] - both[index], true[index]),
            iou_interval=span(ious[:, index]),
            precision=_share(both[index], predicted[index]),
            recall=_share(both[index], true[index]),
        )
        for index, name in enumerate(class_names)
    )
    means = np.array([row[present][np.isfinite(row[present])].mean() for row in ious])
    return PerPixel(
        classes=classes,
        images=len(counts),
        mean_iou=float(means[0]),
        mean_iou_interval=span(means),
        pixel_accuracy=float(both.sum() / total.sum()),
        largest=float(true.max() / total.sum()),
        confusion=tuple(tuple(map(int, row)) for row in total),
    )


def _share(part, whole, needed=1):
    return float(part / whole) if whole and needed else None


def _percent(share):
    return "-" if share is None else f"{share:.1%}"
