"""How far wrong predictions are from the right class."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_transfer._statistics.intervals import paired_interval
from keras_transfer.relations.hierarchies import Hierarchy

_MOST_LISTED = 5


def least_cost(probabilities: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """Ranks the classes of each image by the distance to expect, the least first.

    Where a model hesitates between two dogs and a cat, it answers with a dog. Calibrated
    probabilities are best. The first column replaces the class with the highest probability.

    Args:
        probabilities: of shape `(images, classes)`, in the order of `hierarchy.class_names`.
        hierarchy: a `Hierarchy`.

    Returns:
        Class indices of shape `(images, classes)`.

    Raises:
        ValueError: if the number of classes differs.

    Example:
        >>> kinds = {"beagle": "dog", "pug": "dog", "tabby": "cat", "dog": "pet", "cat": "pet"}
        >>> hierarchy = relations.Hierarchy.from_edges(kinds)
        >>> ranked = relations.least_cost(np.array([[0.32, 0.32, 0.36]]), hierarchy)
        >>> hierarchy.class_names[ranked[0, 0]]
        'beagle'

    Reference:
        Karthik et al., No Cost Likelihood Manipulation at Test Time for Making Better Mistakes
        in Deep Networks, ICLR 2021, equation 2.
    """
    probabilities = _checked(probabilities, hierarchy)
    expected = probabilities @ hierarchy.distances()
    # Of equal costs, the higher probability comes first.
    return np.lexsort((-probabilities, np.round(expected, 12)), axis=1)


@dataclasses.dataclass(frozen=True)
class MistakeDistance:
    """How far predictions are from the right class in a hierarchy, with two ways to choose.

    Attributes:
        accuracy: with the class of the highest probability, and with that of least cost.
        of_mistakes: the mean distance of wrong predictions, in the same order; None without.
        of_first: the mean distance of the first classes of each image, in the same order.
        num_first: how many first classes these are, at most 5.
        difference: `(low, high)`, the 95% confidence interval of the accuracy of least cost
            less that of the highest probability.
        num_images: the number of images.
    """

    accuracy: tuple[float, float]
    of_mistakes: tuple[float | None, float | None]
    of_first: tuple[float, float]
    num_first: int
    difference: tuple[float, float]
    num_images: int

    @property
    def conclusion(self) -> str:
        """What least cost changes, in a sentence."""
        before, after = self.of_first
        low, high = (100 * end for end in self.difference)
        return (
            f"The first {self.num_first} classes are {after:.2f} steps from the right one when "
            f"chosen by least cost, {before:.2f} by probability; the accuracy changes by "
            f"{low:+.1f} to {high:+.1f} points (95% CI, n = {self.num_images})."
        )

    def rows(self) -> list[tuple[str, ...]]:
        """The table of the two ways to choose, the header first."""
        head = ("chosen by", "accuracy", "distance of mistakes", f"of first {self.num_first}")
        pairs = zip(self.accuracy, self.of_mistakes, self.of_first, strict=True)
        cells = [
            (f"{accuracy:.1%}", "-" if wrong is None else f"{wrong:.2f}", f"{first:.2f}")
            for accuracy, wrong, first in pairs
        ]
        return [head, ("probability", *cells[0]), ("least cost", *cells[1])]

    def to_json(self) -> dict:
        """The attributes and the conclusion as plain values."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def mistake_distance(
    probabilities: np.ndarray,
    labels: np.ndarray,
    hierarchy: Hierarchy,
    groups: Sequence | np.ndarray | None = None,
) -> MistakeDistance:
    """How far predictions are from the right class, by probability and by least cost.

    Args:
        probabilities: of shape `(images, classes)`, in the order of `hierarchy.class_names`.
        labels: the true classes, integers of shape `(images,)`.
        hierarchy: a `Hierarchy`.
        groups: for each image its group, such as a patient, or None: images of a group are
            alike, so intervals count groups. Defaults to None, no groups.

    Returns:
        A `MistakeDistance`.

    Raises:
        ValueError: if the shapes do not fit the hierarchy.

    Example:
        >>> hierarchy = relations.Hierarchy.from_edges({"ant": "insect", "bee": "insect"})
        >>> found = relations.mistake_distance(np.array([[0.6, 0.4]]), np.array([1]), hierarchy)
        >>> found.of_mistakes
        (1.0, 1.0)
    """
    probabilities, labels = _checked(probabilities, hierarchy), np.asarray(labels, int)
    size = len(hierarchy.class_names)
    if (
        labels.shape != probabilities.shape[:1]
        or not len(labels)
        or not (labels.min() >= 0 and labels.max() < size)
    ):
        raise ValueError(
            f"`labels` must be a number from 0 to {size - 1} for each of the "
            f"{len(probabilities)} images. Received: labels of shape {labels.shape}"
        )
    by_probability = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = by_probability, least_cost(probabilities, hierarchy)
    distances, number = hierarchy.distances(), min(_MOST_LISTED, size)
    hits = [rank[:, 0] == labels for rank in ranked]
    steps = [distances[labels[:, None], rank[:, :number]] for rank in ranked]
    wrong = [
        float(step[~hit, 0].mean()) if not hit.all() else None
        for step, hit in zip(steps, hits, strict=True)
    ]
    return MistakeDistance(
        accuracy=(float(hits[0].mean()), float(hits[1].mean())),
        of_mistakes=(wrong[0], wrong[1]),
        of_first=(float(steps[0].mean()), float(steps[1].mean())),
        num_first=number,
        difference=paired_interval(hits[1].astype(int) - hits[0], groups),
        num_images=len(labels),
    )


def _checked(probabilities, hierarchy):
    probabilities = np.asarray(probabilities, "float64")
    size = len(hierarchy.class_names)
    if probabilities.ndim != 2 or probabilities.shape[1] != size:
        raise ValueError(
            f"`probabilities` must have a column for each of the {size} classes of the "
            f"hierarchy. Received: probabilities of shape {probabilities.shape}"
        )
    return probabilities
