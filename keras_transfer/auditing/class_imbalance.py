"""Whether the classes are about equally large."""

import dataclasses

import numpy as np

from keras_transfer.data.image_splits import STRONG_IMBALANCE


@dataclasses.dataclass(frozen=True)
class Imbalance:
    """How many pictures each class has.

    Attributes:
        counts: dict from class to number of pictures.
        ratio: the largest over the smallest; infinite where a class has no picture.
        effective_classes: as many equally large classes would have the same entropy.
    """

    counts: dict
    ratio: float
    effective_classes: float

    @property
    def is_strong(self):
        """Whether the largest class has at least ten times the pictures of the smallest."""
        return self.ratio >= STRONG_IMBALANCE

    @property
    def majority(self):
        """The share of the largest class: what always answering it would reach."""
        return max(self.counts.values()) / sum(self.counts.values())

    @property
    def sentence(self):
        """What was found, in words."""
        largest = max(self.counts, key=self.counts.get)
        smallest = min(self.counts, key=self.counts.get)
        if self.counts[largest] == self.counts[smallest]:
            return (
                f"{len(self.counts)} classes of {self.counts[largest]} pictures each; always "
                f"answering the same is right in {self.majority:.0%}."
            )
        return (
            f"{len(self.counts)} classes of {self.counts[smallest]} ('{smallest}') to "
            f"{self.counts[largest]} ('{largest}') pictures, as uneven as "
            f"{self.effective_classes:.1f} equal ones; always answering '{largest}' is right "
            f"in {self.majority:.0%}."
        )

    def to_json(self):
        """The figures as a dict."""
        ratio = self.ratio if np.isfinite(self.ratio) else None
        return {**dataclasses.asdict(self), "ratio": ratio}


def imbalance(labels, class_names):
    """Counts the pictures of each class.

    Args:
        labels: integers, indices into `class_names`.
        class_names: the names of the classes.

    Returns:
        `Imbalance`.

    Raises:
        ValueError: without labels, or for one that is no index.

    Reference: Hill, Diversity and Evenness, Ecology 1973: the number of order 1.
    """
    labels = np.asarray(labels, "int64")
    if not labels.size or labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(
            "`labels` must be at least one index into `class_names`. Received: "
            f"{labels.size} labels for {len(class_names)} classes"
        )
    counts = np.bincount(labels, minlength=len(class_names))
    shares = counts[counts > 0] / counts.sum()
    entropy = -np.sum(shares * np.log(shares))
    ratio = counts.max() / counts.min() if counts.min() else np.inf
    named = dict(zip(class_names, counts.tolist(), strict=True))
    return Imbalance(named, float(ratio), float(np.exp(entropy)))
