"""How well each class is told from the others."""

import dataclasses

import numpy as np

from keras_transfer._statistics.intervals import wilson_interval


@dataclasses.dataclass(frozen=True)
class ClassMeasures:
    """How well one class is told from the others.

    Attributes:
        name: its name.
        images: how many pictures are of this class.
        precision: the share of the pictures predicted as this class that are; None if it was
            never predicted.
        recall: the share of the pictures of this class that were predicted as it; None if
            there are none.
        precision_interval: `(low, high)` of it by Wilson's score, 95%; None as there.
        recall_interval: the same of the recall.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    precision_interval: tuple | None
    recall_interval: tuple | None

    def to_json(self):
        """The figures as a dict, without the name."""
        values = dataclasses.asdict(self)
        del values["name"]
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
        }


@dataclasses.dataclass(frozen=True)
class PerClass:
    """What was predicted for which class.

    Attributes:
        classes: a tuple of `ClassMeasures`, in the order of the labels.
        confusion: a tuple of tuples of counts, a row for each true class, a column for each
            predicted one.
    """

    classes: tuple
    confusion: tuple

    def to_json(self):
        """The figures as lists and dicts, the classes under their names."""
        return {
            "classes": {measures.name: measures.to_json() for measures in self.classes},
            "confusion": [list(row) for row in self.confusion],
        }


def per_class(labels, predicted, class_names):
    """The confusion matrix, and each class's precision and recall with their intervals.

    Args:
        labels: the true classes, integers of shape `(pictures,)`.
        predicted: the predicted classes, of the same shape.
        class_names: the names of the classes, in the order of the labels.

    Returns:
        A `PerClass`.

    Raises:
        ValueError: if there are not as many labels as predictions, or one of them is no class.

    Reference: Wilson, Probable Inference, JASA 1927, for the intervals.
    """
    counts = confusion_matrix(labels, predicted, len(class_names))
    hits = [int(count) for count in counts.diagonal()]
    truly, named = ([int(n) for n in counts.sum(axis=axis)] for axis in (1, 0))
    classes = [
        ClassMeasures(
            str(name), truly[i], _share(hits[i], named[i]), _share(hits[i], truly[i]),
            _interval(hits[i], named[i]), _interval(hits[i], truly[i]),
        )
        for i, name in enumerate(class_names)
    ]  # fmt: skip
    return PerClass(tuple(classes), tuple(map(tuple, counts.tolist())))


def confusion_matrix(labels, predicted, num_classes):
    """Counts of pictures, a row for each true class, a column for each predicted one.

    Args:
        labels: the true classes, integers of shape `(pictures,)`.
        predicted: the predicted classes, of the same shape.
        num_classes: how many classes there are.

    Returns:
        An integer array of shape `(num_classes, num_classes)`.

    Raises:
        ValueError: if there are not as many labels as predictions, or one of them is no class.
    """
    labels, predicted = np.asarray(labels, int), np.asarray(predicted, int)
    both = np.concatenate([labels.ravel(), predicted.ravel()])
    is_class = (both >= 0) & (both < num_classes)
    if labels.ndim != 1 or labels.shape != predicted.shape or not is_class.all():
        raise ValueError(
            f"`labels` and `predicted` must be numbers of classes, at least 0 and below "
            f"{num_classes}, one of each for a picture. Received: labels of shape "
            f"{labels.shape}, predicted of shape {predicted.shape}, and the numbers "
            f"{np.unique(both[~is_class])[:5].tolist()} that are no classes"
        )
    counts = np.zeros((num_classes, num_classes), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def _share(part, whole):
    return part / whole if whole else None


def _interval(part, whole):
    return wilson_interval(part, whole) if whole else None
