"""From labelled texts to `ImageSplits`; shared by tables and folders of texts."""

import collections.abc
import dataclasses
import hashlib
import json
import warnings

import numpy as np
import tensorflow as tf

from keras_transfer.data.image_splits import DataWarning, ImageSplits, check_splits
from keras_transfer.data.labeled_dataset import (
    ImageSource,
    LabeledDataset,
    without_autotuning,
)
from keras_transfer.data.splitting import fold_of, stratified_split, units_of

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class TextRow:
    """A text with its class, its split, its group or None, and a name for messages."""

    text: str
    label: str
    split: str
    group: str | None
    place: str

    @property
    def digest(self):
        """Equal for texts that differ in nothing but spaces and capital letters."""
        return hashlib.sha256(" ".join(self.text.lower().split()).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class TextOptions:
    """The arguments that `text_table` and `text_folder` share; `text_table` explains each.

    `received` is the argument with the data, for errors: its name and value.
    """

    received: str
    batch_size: int
    validation_split: float | None
    seed: int
    shuffle: bool
    fold: tuple[int, int] | None

    def __post_init__(self):
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise ValueError(
                "`batch_size` must be a positive integer. "
                f"Received: batch_size={self.batch_size!r}"
            )
        if self.validation_split is not None and not 0 < self.validation_split < 1:
            raise ValueError(
                "`validation_split` must lie between 0 and 1, or be None to train on all "
                f"texts. Received: validation_split={self.validation_split!r}"
            )

    def splits(self, rows: collections.abc.Sequence[TextRow]) -> ImageSplits:
        """The datasets of texts, after it has raised the warnings about them."""
        by_split = {
            name: [row for row in rows if row.split == name]
            for name in SPLITS
            if any(row.split == name for row in rows)
        }
        class_names = self._class_names(by_split)
        if self.fold is not None:
            by_split = self._with_fold(by_split, class_names)
        elif "validation" not in by_split and self.validation_split is not None:
            by_split = self._divided(by_split, class_names)
        labels = {
            split: tuple(class_names.index(row.label) for row in found)
            for split, found in by_split.items()
        }
        digests = {split: [row.digest for row in found] for split, found in by_split.items()}
        places = {split: [row.place for row in found] for split, found in by_split.items()}
        messages = check_splits(labels, digests, places, class_names, "text")
        for message in messages:
            warnings.warn(message, DataWarning, stacklevel=4)
        fingerprints = {
            split: _fingerprint(found, labels[split]) for split, found in by_split.items()
        }

        def dataset(split, shuffle=False):
            if split not in by_split:
                return None
            texts = tf.constant([row.text for row in by_split[split]])
            return self._dataset(
                texts, labels[split], class_names, fingerprints[split], shuffle
            )

        return ImageSplits(
            train=dataset("train", self.shuffle),
            validation=dataset("validation"),
            test=dataset("test"),
            train_in_order=dataset("train"),
            class_names=class_names,
            labels=labels,
            paths={},
            fingerprints=fingerprints,
            warnings=tuple(messages),
            groups=self._groups(by_split),
            texts={
                split: tuple(row.text for row in found) for split, found in by_split.items()
            },
        )

    def _class_names(self, by_split):
        names = tuple(sorted({row.label for row in by_split.get("train", ())}))
        for split, rows in by_split.items():
            unknown = sorted({row.label for row in rows} - set(names))
            if unknown:
                raise ValueError(
                    f"The {split} split has classes without training texts: {unknown}. "
                    f"Classes with training texts: {list(names)}. Received: {self.received}"
                )
        if len(names) < 2:
            raise ValueError(
                "At least two classes with texts are needed. Found texts for "
                f"{list(names)} alone. Received: {self.received}"
            )
        return names

    def _divided(self, by_split, class_names):
        train = by_split["train"]
        kept, moved = stratified_split(
            [row.label for row in train], _units(train), self.validation_split, self.seed
        )
        found = {"train": [train[index] for index in kept]}
        if moved:
            found["validation"] = [train[index] for index in moved]
        return {**found, **{name: by_split[name] for name in by_split if name != "train"}}

    def _with_fold(self, by_split, class_names):
        every = [*by_split["train"], *by_split.get("validation", [])]
        labels = [class_names.index(row.label) for row in every]
        kept, moved = fold_of(labels, _units(every), self.fold, self.seed)
        return {
            "train": [every[index] for index in kept], "test": [every[index] for index in moved]
        }  # fmt: skip

    def _dataset(self, texts, labels, class_names, fingerprint, shuffle):
        number = len(labels)
        slices = tf.data.Dataset.from_tensor_slices((texts, tf.constant(labels, "int32")))
        source = ImageSource(
            lambda start=0: slices.skip(start), number, fingerprint, self.batch_size, shuffle,
            self.seed, name=self.received.split("=", 1)[1].strip("'\""),
        )  # fmt: skip
        found = slices
        if shuffle:
            found = found.shuffle(number, self.seed, reshuffle_each_iteration=True)
        found = without_autotuning(found.batch(self.batch_size).prefetch(2))
        return LabeledDataset(found, class_names, number, source)

    def _groups(self, by_split):
        if all(row.group is None for rows in by_split.values() for row in rows):
            return {}
        return {split: tuple(row.group for row in rows) for split, rows in by_split.items()}


def check_text(text: str, where: str) -> str:
    """The text of a row; raises `ValueError` if there is none."""
    if not text.strip():
        raise ValueError(f"{where} has no text. Received: {text!r}")
    return text


def _units(rows):
    """For each row a string, equal for copies and for texts of one group."""
    return units_of([row.digest for row in rows], [], [row.group for row in rows])


def _fingerprint(rows, labels):
    content = [[row.text for row in rows], list(map(int, np.asarray(labels)))]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
