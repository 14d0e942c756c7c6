"""What every source of pictures returns."""

import dataclasses

import numpy as np

from keras_transfer.data.labeled_dataset import LabeledDataset

# From here on the rare classes are likely to be ignored by an unweighted loss: with ten to
# one, always answering the large class is right in 91% of a two-class task.
STRONG_IMBALANCE = 10.0


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSplits:
    """Pictures for training, validation and test, and what is known about them.

    An element of each dataset is `(images, labels)`: float32 of shape
    `(batch, height, width, channels)` in `[0, 255]`, not normalized, and int32 labels of
    shape `(batch,)`, indices into `class_names`. `train` is shuffled anew in each epoch;
    `validation` and `test` keep the order of `labels` and `paths`.

    Attributes:
        train: the `LabeledDataset` to train on.
        validation: the one to choose by, or None.
        test: the one to report, or None.
        train_in_order: `train` without shuffling, in the order of `labels["train"]`.
        class_names: tuple of names; a label is an index into it.
        labels: dict from "train", "validation" and "test" (those there are) to a tuple of
            labels.
        paths: the same for the files' paths; empty for data that are not files.
        fingerprints: the same for a string that changes when a picture, a label, their
            order, the size, the number of channels or the decoding does: the key of a cache.
        warnings: tuple of sentences, each given as a `DataWarning` too.
        unreadable: tuple of `(path, reason)`, the files that were skipped.

    Example:
        >>> from keras_transfer import data
        >>> splits = data.image_folder("photos", image_size=160)  # doctest: +SKIP
        >>> model.fit(splits.train, validation_data=splits.validation)  # doctest: +SKIP
    """

    train: LabeledDataset
    validation: LabeledDataset | None
    test: LabeledDataset | None
    train_in_order: LabeledDataset
    class_names: tuple
    labels: dict = dataclasses.field(repr=False)
    paths: dict = dataclasses.field(repr=False)
    fingerprints: dict = dataclasses.field(repr=False)
    warnings: tuple = ()
    unreadable: tuple = ()

    @property
    def num_images(self):
        """Dict from the split's name to its number of pictures."""
        return {split: len(labels) for split, labels in self.labels.items()}

    @property
    def class_counts(self):
        """Dict from the split's name to a dict from the class to its number of pictures."""
        return {
            split: count_classes(labels, self.class_names)
            for split, labels in self.labels.items()
        }

    @property
    def balanced_class_weight(self):
        """Dict from label to weight for `fit`: each class weighs the same in `train`."""
        counts = self.class_counts["train"].values()
        num_present = sum(count > 0 for count in counts)
        return {
            label: len(self.labels["train"]) / (num_present * count) if count else 1.0
            for label, count in enumerate(counts)
        }

    @property
    def class_weight(self):
        """`balanced_class_weight` where `train` is strongly imbalanced, None elsewhere.

        Strongly: the largest class has at least ten times the pictures of the smallest.
        """
        if imbalance(self.class_counts["train"]) < STRONG_IMBALANCE:
            return None
        return self.balanced_class_weight


def count_classes(labels, class_names):
    """How many of `labels` fall on each class: dict from name to count."""
    counts = np.bincount(np.asarray(labels, dtype="int64"), minlength=len(class_names))
    return {name: int(count) for name, count in zip(class_names, counts, strict=True)}


def imbalance(counts):
    """The largest count over the smallest; a class without a picture is no part of it."""
    present = [count for count in counts.values() if count]
    return max(present) / min(present)
