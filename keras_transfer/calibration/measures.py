"""Accuracy, precision and recall, the confusion matrix, and the worst mistakes."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_transfer._statistics.groups import unit_numbers
from keras_transfer._statistics.intervals import share_interval
from keras_transfer._text import one_line
from keras_transfer.calibration.predictions import check_predictions

# Classes; a larger confusion matrix is unreadable.
MOST_IN_A_MATRIX = 15


@dataclasses.dataclass(frozen=True)
class ClassMeasures:
    """Precision and recall of one class.

    Attributes:
        name: the name of the class.
        images: the number of images of this class.
        precision: the share of the predictions of this class that are correct; None without
            predictions.
        recall: the share of the images of this class that are predicted as it; None without
            images.
        precision_interval: `(low, high)`, Wilson's 95% score interval, or None.
        recall_interval: the same for the recall.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    precision_interval: tuple[float, float] | None
    recall_interval: tuple[float, float] | None

    def to_json(self):
        """The attributes as a dict, without the name."""
        values = dataclasses.asdict(self)
        del values["name"]
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
        }


@dataclasses.dataclass(frozen=True)
class PerClass:
    """Precision and recall of each class, and the confusion matrix.

    Attributes:
        classes: a tuple of `ClassMeasures`, in the order of the labels.
        confusion: a tuple of tuples of counts, a row for each true class and a column for each
            predicted one.
    """

    classes: tuple[ClassMeasures, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self):
        """The classes by name and the confusion matrix, as dicts and lists."""
        return {
            "classes": {measures.name: measures.to_json() for measures in self.classes},
            "confusion": [list(row) for row in self.confusion],
        }


def per_class(
    labels: np.ndarray,
    predicted: np.ndarray,
    class_names: Sequence[str],
    groups: Sequence | np.ndarray | None = None,
) -> PerClass:
    """The precision and the recall of each class with intervals, and the confusion matrix.

    Args:
        labels: the true classes, integers of shape `(images,)`.
        predicted: the predicted classes, of the same shape.
        class_names: the names of the classes, in the order of the labels.
        groups: for each image its group, such as a patient, or None: images of a group are
            alike, so intervals count groups. Defaults to None, no groups.

    Returns:
        A `PerClass`.

    Raises:
        ValueError: if there are not as many labels as predictions, or one of them is not the
            number of a class.

    Example:

    >>> found = calibration.per_class([0, 0, 1], [0, 1, 1], ["ant", "bee"])
    >>> found.confusion, found.classes[0].recall
    (((1, 1), (0, 1)), 0.5)

    Reference: Wilson, Probable Inference, JASA 1927, for the intervals; Korn and Graubard,
    Survey Methodology 24, 1998, for those of groups.
    """
    counts = _confusion_matrix(labels, predicted, len(class_names))
    totals = zip(class_names, counts.diagonal(), counts.sum(1), counts.sum(0), strict=True)
    labels, predicted = np.asarray(labels, int), np.asarray(predicted, int)
    units = unit_numbers(groups, len(labels))

    def interval(chosen):
        """Of the share of correct predictions among some images."""
        hits = (labels == predicted)[chosen]
        return share_interval(hits, units[chosen]) if chosen.any() else None

    classes = tuple(
        ClassMeasures(
            name=str(name),
            images=int(size),
            precision=float(hits / named) if named else None,
            recall=float(hits / size) if size else None,
            precision_interval=interval(predicted == number),
            recall_interval=interval(labels == number),
        )
        for number, (name, hits, size, named) in enumerate(totals)
    )
    return PerClass(classes, tuple(map(tuple, counts.tolist())))


def _confusion_matrix(labels, predicted, size):
    labels, predicted = np.asarray(labels, int), np.asarray(predicted, int)
    both = np.concatenate([labels.ravel(), predicted.ravel()])
    is_class = (both >= 0) & (both < size)
    if labels.ndim != 1 or labels.shape != predicted.shape or not is_class.all():
        raise ValueError(
            "`labels` and `predicted` must have the same shape, (images,), and hold numbers of "
            f"classes from 0 to {size - 1}. Received: labels of shape {labels.shape}, "
            f"predicted of shape {predicted.shape}, and {set(both[~is_class].tolist())}"
        )
    return np.bincount(labels * size + predicted, minlength=size**2).reshape(size, size)


def measure(probabilities, labels, class_names, groups=None):
    """Accuracy, loss and what `per_class` finds, with 95% intervals, as a dict for JSON."""
    labels = np.asarray(labels, int)
    predicted = probabilities.argmax(axis=1)
    found = per_class(labels, predicted, class_names, groups)
    hits = predicted == labels
    of_truth = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    return {
        "images": len(labels),
        "accuracy": float(hits.mean()),
        "accuracy_interval": list(share_interval(hits, groups)),
        "loss": float(-np.log(of_truth).mean()),
        **found.to_json(),
    }


def confusion_table(counts, class_names, widest=14):
    """A confusion matrix as text, a row for each true class; long names are cut.

    Of more than 15 classes, the ten most common confusions.
    """
    if len(class_names) > MOST_IN_A_MATRIX:
        return "\n".join(["Most common confusions:", *common_confusions(counts, class_names)])
    names = [one_line(name) for name in class_names]
    names = [name if len(name) <= widest else f"{name[: widest - 1]}…" for name in names]
    width = max([len(str(count)) for row in counts for count in row] + [3]) + 1
    left = max([len(name) for name in names] + [len("true / predicted")])
    numbers = "".join(f"{i:>{width}}" for i in range(1, len(names) + 1))
    lines = [f"{'true / predicted':<{left}}    {numbers}"]
    for i, (name, row) in enumerate(zip(names, counts, strict=True), start=1):
        cells = "".join(f"{count or '.':>{width}}" for count in row)
        lines.append(f"{name:<{left}} {i:>3}{cells}")
    return "\n".join(lines)


def common_confusions(counts, class_names, number=10):
    """The most common confusions as text, such as "roses as tulips: 27 of 75"."""
    names = [one_line(name) for name in class_names]
    return [
        f"{names[true]} as {names[predicted]}: {wrong} of {sum(counts[true])}"
        for true, predicted, wrong in confused_classes(counts)[:number]
    ]


def confused_classes(counts):
    """`(true class, predicted class, number of images)` of all confusions, commonest first."""
    counts = np.asarray(counts)
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    places = (axis.tolist() for axis in np.unravel_index(order, wrong.shape))
    return [(i, j, int(wrong[i, j])) for i, j in zip(*places, strict=True)]


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An image that is classified wrongly.

    Attributes:
        index: the number of the image.
        true_class: the number of its class.
        predicted_class: the number of the predicted class.
        true_probability: the probability of the true class.
        predicted_probability: the probability of the predicted class.
    """

    index: int
    true_class: int
    predicted_class: int
    true_probability: float
    predicted_probability: float


def worst_mistakes(probabilities, labels, num_images):
    """The wrong predictions with the lowest probability of the true class, as `Mistake`s."""
    probabilities, labels = check_predictions(probabilities, labels)
    predicted = probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(len(labels)), labels]
    order = np.argsort(of_truth, kind="stable")
    worst = order[(predicted != labels)[order]][:num_images]
    columns = (labels, predicted, of_truth, probabilities.max(axis=1))
    rows = zip(worst.tolist(), *(column[worst].tolist() for column in columns), strict=True)
    return tuple(Mistake(*row) for row in rows)
