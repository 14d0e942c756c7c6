"""The sizes of the classes, and how far they are from equal."""

import dataclasses

import numpy as np

from keras_transfer.data.image_splits import STRONG_IMBALANCE


@dataclasses.dataclass(frozen=True)
class ClassSizes:
    """The number of images in each class.

    Attributes:
        counts: dict from class to number of images.
    """

    counts: dict

    @property
    def ratio(self):
        """The largest over the smallest size; infinite if a class has no image."""
        smallest = min(self.counts.values())
        return max(self.counts.values()) / smallest if smallest else np.inf

    @property
    def effective_classes(self):
        """The number of equally large classes with the same entropy (Hill, Ecology 1973)."""
        from scipy.stats import entropy

        return float(np.exp(entropy(list(self.counts.values()))))

    @property
    def severity(self):
        """The severity of the finding: a warning from a ratio of 10 on."""
        return "warning" if self.ratio >= STRONG_IMBALANCE else "note"

    @property
    def conclusion(self):
        """The range of the sizes, and the accuracy of always predicting one class."""
        largest = max(self.counts, key=self.counts.get)
        smallest = min(self.counts, key=self.counts.get)
        share = self.counts[largest] / sum(self.counts.values())
        if self.counts[largest] == self.counts[smallest]:
            return (
                f"{len(self.counts)} classes of {self.counts[largest]} images each; always "
                f"predicting one class has an accuracy of {share:.0%}."
            )
        return (
            f"{len(self.counts)} classes of {self.counts[smallest]} ('{smallest}') to "
            f"{self.counts[largest]} ('{largest}') images; effective number of classes: "
            f"{self.effective_classes:.1f}; always predicting '{largest}' has an accuracy of "
            f"{share:.0%}."
        )

    def to_json(self):
        """The figures as a dict."""
        return {
            "counts": self.counts,
            "ratio": self.ratio if np.isfinite(self.ratio) else None,
            "effective_classes": self.effective_classes,
        }


def class_sizes(labels, class_names):
    """`ClassSizes` of integer labels, indices into the names of the classes."""
    counts = np.bincount(labels, minlength=len(class_names))
    return ClassSizes(dict(zip(class_names, counts.tolist(), strict=True)))
