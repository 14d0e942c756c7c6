"""What every source of images returns, and the warnings about it."""

import dataclasses
import itertools
import os

import numpy as np

from keras_transfer._text import some_of
from keras_transfer.data.labeled_dataset import LabeledDataset

# What images may have.
TASKS = ("classes", "labels", "numbers", "masks", "boxes")
# From here on, an unweighted loss tends to ignore the rare class: at ten to one, always
# predicting the frequent class reaches an accuracy of 91% in a two-class task.
STRONG_IMBALANCE = 10.0

_MOST_PAIRS = 3


class DataWarning(UserWarning):
    """Category of the warnings about images and labels, to check before training.

    Python's own filters silence it or turn it into an error.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("ignore", data.DataWarning)
    """


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSplits:
    """Images for training, validation and test, with their labels and paths.

    `image_folder`, `image_table` and `from_tfds` return it. An element of each dataset is
    `(images, labels)`: float32 of shape `(batch, height, width, channels)` in `[0, 255]`, not
    normalized, and int32 labels of shape `(batch,)`, indices into `class_names`; for several
    labels or numbers, float32 of shape `(batch, names)`. `train` is shuffled anew in each
    epoch; `validation` and `test` keep the order of `labels` and `paths`.

    Attributes:
        train: the `LabeledDataset` to train on.
        validation: the validation set, or None.
        test: the test set, or None.
        train_in_order: `train` without shuffling, in the order of `labels["train"]`.
        class_names: tuple of names of the classes, the labels or the numbers.
        labels: dict from the splits that exist ("train", "validation", "test") to a tuple of
            labels: indices of classes, or tuples with a number for each name.
        paths: the same for the paths of the files; empty if the images are not files.
        fingerprints: the same for a string that changes with the images, the labels, their
            order, the size, the channels and the decoding: the key of a cache.
        task: what the images have: "classes", one each; "labels", any number, each 0 or 1;
            "numbers"; "masks", a `MaskFile` with a class for each pixel; or "boxes", an
            `ImageBoxes`. Defaults to "classes".
        ignore_class: the label of pixels without a class in masks, or None.
        warnings: tuple of messages, each raised as a `DataWarning` too.
        unreadable: tuple of `(path, reason)` for skipped files.
        excluded: tuple of the paths that were left out on request.
        groups: dict from split to the group of each image, None for one without; empty without
            groups.
        texts: dict from split to what stands for each example that is no image: the text, the
            cells of a row, the path of a sound; empty for images.
        kind: what an example is: "images", "images and rows", "texts", "rows" or "sounds".
            Defaults to "images".
        columns: dict from split to a dict from the name of a column to its values, an array of
            shape `(examples, 1)`; empty without columns.

    Example:
        >>> splits = data.image_folder("photos", image_size=16)
        >>> model.compile()
        >>> history = model.fit(splits.train, validation_data=splits.validation, verbose=0)
        >>> splits.class_names
        ('blue', 'green', 'red')
    """

    train: LabeledDataset
    validation: LabeledDataset | None
    test: LabeledDataset | None
    train_in_order: LabeledDataset
    class_names: tuple[str, ...]
    labels: dict[str, tuple] = dataclasses.field(repr=False)
    paths: dict[str, tuple[str, ...]] = dataclasses.field(repr=False)
    fingerprints: dict[str, str] = dataclasses.field(repr=False)
    task: str = "classes"
    warnings: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    excluded: tuple[str, ...] = ()
    groups: dict[str, tuple[str | None, ...]] = dataclasses.field(
        default_factory=dict, repr=False
    )
    texts: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict, repr=False)
    ignore_class: int | None = None
    kind: str = "images"
    columns: dict[str, dict[str, np.ndarray]] = dataclasses.field(
        default_factory=dict, repr=False
    )

    @property
    def num_images(self) -> dict[str, int]:
        """Number of images in each split."""
        return {split: len(labels) for split, labels in self.labels.items()}

    @property
    def class_counts(self) -> dict[str, dict[str, int]]:
        """Number of images of each class, or with each label, in each split; of pixels of
        masks, and of boxes."""
        if self.task == "numbers":
            raise ValueError(f"There are no classes: the {self.kind} have numbers.")
        return {
            split: count_classes(labels, self.class_names)
            for split, labels in self.labels.items()
        }

    @property
    def balanced_class_weight(self) -> dict[int, float]:
        """Weight of each label for `fit` that gives all classes of `train` the same weight."""
        self.check_classes("A weight for each class (--balance)")
        counts = self.class_counts["train"].values()
        num_present = sum(count > 0 for count in counts)
        return {
            label: len(self.labels["train"]) / (num_present * count) if count else 1.0
            for label, count in enumerate(counts)
        }

    def check_classes(self, what: str) -> None:
        """Raises `ValueError` unless each example has one class, which `what` needs."""
        if self.task != "classes":
            raise ValueError(
                f"{what} needs one class for each example. Received: {self.kind} with "
                f"{self.task}: "
                f"{', '.join(map(repr, self.class_names[:3]))}"
            )


def label_array(labels):
    """Labels as an array: int32 indices of classes, or float32 rows."""
    labels = list(labels)
    return np.array(labels, "float32" if labels and np.ndim(labels[0]) else "int32")


def count_classes(labels, class_names):
    """Dict from name to the number of images of a class or with a label, or of pixels."""
    if labels and hasattr(labels[0], "pixels"):
        counts = np.sum([mask.pixels for mask in labels], axis=0)
        return {name: int(count) for name, count in zip(class_names, counts, strict=True)}
    if labels and hasattr(labels[0], "boxes"):
        kinds = [int(box[-1]) for one in labels for box in one.boxes]
        return dict(zip(class_names, _bincount(kinds, class_names), strict=True))
    labels = label_array(labels)
    if labels.ndim == 2:
        counts = np.count_nonzero(labels, axis=0)
    else:
        counts = np.bincount(labels, minlength=len(class_names))
    return {name: int(count) for name, count in zip(class_names, counts, strict=True)}


def _bincount(labels, class_names):
    return np.bincount(np.array(labels, int), minlength=len(class_names)).tolist()


def imbalance(counts):
    """The largest count over the smallest, among the classes with images."""
    present = [count for count in counts.values() if count]
    return max(present) / min(present)


def check_known(found, known):
    """Raises `ValueError` if data have classes that a trained model does not know."""
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ValueError(
            f"The model does not know the classes {_listed(unknown)}. It knows "
            f"{_listed(known)}."
        )


def check_splits(
    labels, digests, places, class_names, thing="image", task="classes", is_trained_on=True
):
    """The warnings about a data set, from dicts of split to labels, digests and names."""
    found = []
    if is_trained_on and task != "numbers":
        found = _check_counts(labels, class_names, thing, task)
    things = f"{thing.capitalize()}s"
    for one, other in itertools.combinations(labels, 2):
        known = dict(zip(digests[one], places[one], strict=True))
        shared = [
            (known[digest], place)
            for digest, place in zip(digests[other], places[other], strict=True)
            if digest in known
        ]
        if shared:
            found.append(
                f"{things} of the {other} split are also in the {one} split, which makes its "
                f"score too high: {len(shared)}, {_pairs(shared)}."
            )
    seen, contradictions = {}, []
    for split in labels:
        rows = zip(labels[split], digests[split], places[split], strict=True)
        for label, digest, place in rows:
            first_label, first_place = seen.setdefault(digest, (label, place))
            if first_label != label:
                contradictions.append((first_place, place))
    if contradictions and task in _CONTRADICTIONS:
        found.append(
            f"{things} {_CONTRADICTIONS[task]}, one of which is wrong: {len(contradictions)}, "
            f"{_pairs(contradictions)}."
        )
    return found


_CONTRADICTIONS = {
    "classes": "in two classes",
    "labels": "and copies with different labels",
    "numbers": "and copies with different numbers",
}


def _check_counts(labels, class_names, thing, task):
    """Absent classes or labels, classes with one example, and strong imbalance."""
    found = []
    counts = count_classes(labels["train"], class_names)
    single = [name for name, count in counts.items() if count == 1 and task in _CONTRADICTIONS]
    if single and task == "classes":  # the table has said so of labels
        found.append(f"Only one training {thing} for {_listed(single)}.")
    for split, split_labels in labels.items():
        present = count_classes(split_labels, class_names)
        absent = [name for name, count in present.items() if count == 0]
        # A class with one image cannot be divided; the message above says so.
        absent = [name for name in absent if split == "train" or name not in single]
        if absent:
            found.append(f"No {thing} in the {split} split for {_listed(absent)}.")
    if task == "classes" and imbalance(counts) >= STRONG_IMBALANCE:
        largest = max(counts, key=counts.get)
        smallest = min((name for name in counts if counts[name]), key=counts.get)
        found.append(
            f"The classes are strongly imbalanced: '{largest}' has {counts[largest]} training "
            f"{thing}s, '{smallest}' has {counts[smallest]}. Pass `class_weight` to `fit` "
            "(--balance) to give each class the same weight."
        )
    return found


def _listed(names):
    return ", ".join(f"'{name}'" for name in names)


def _pairs(pairs):
    return some_of((f"'{first}' = '{second}'" for first, second in pairs), _MOST_PAIRS)


def common_folder(paths):
    """The folder that holds all files, or "" for images that are not files."""
    folders = {os.path.dirname(os.path.abspath(path)) for path in paths}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # on several drives
        return ""
