"""From labelled texts, rows or sounds, held in memory, to `ImageSplits`."""

import collections.abc
import dataclasses
import hashlib
import json
import os
import typing
import warnings

import numpy as np
import tensorflow as tf

from keras_transfer.data.file_splits import (
    SPLITS,
    check_on_unreadable,
    list_unreadable,
    skipped_messages,
)
from keras_transfer.data.image_splits import (
    DataWarning,
    ImageSplits,
    check_known,
    check_splits,
    label_array,
)
from keras_transfer.data.labeled_dataset import (
    ImageSource,
    LabeledDataset,
    without_autotuning,
)
from keras_transfer.data.splitting import (
    fold_of,
    rarest_strata,
    strata_of,
    stratified_split,
    units_of,
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A text, the cells of a table, or a sound, with the class.

    Attributes:
        content: a text, a tuple of the texts of cells, or an array of samples.
        label: the name of the class; or a tuple of labels or numbers, see `RowTask`.
        split: "train", "validation" or "test".
        group: the name of the group, or None.
        place: a name for messages.
    """

    content: str | tuple | np.ndarray
    label: str | tuple
    split: str
    group: str | None
    place: str

    @property
    def digest(self):
        """Equal for equal sounds, and for texts equal but for spaces and capital letters.

        Equal rows of a table are no copies: two people may have the same age and job.
        """
        if isinstance(self.content, str):
            same = " ".join(self.content.lower().split()).encode()
        elif isinstance(self.content, np.ndarray):
            same = self.content.tobytes()
        else:
            same = self.place.encode()
        return hashlib.sha256(same).hexdigest()


@dataclasses.dataclass(frozen=True)
class RowTask:
    """What rows have: "classes", "labels" or "numbers", and the names of the last two."""

    name: str = "classes"
    names: tuple = ()

    def class_names(self, by_split, received, known=None):
        """The names of the classes with training examples; those of labels or numbers.

        Args:
            by_split: dict from split to rows.
            received: for errors.
            known: the classes of a trained model, or None.
        """
        if self.name != "classes":
            return self.names
        if known is not None:
            check_known({row.label for rows in by_split.values() for row in rows}, known)
            return tuple(known)
        names = tuple(sorted({row.label for row in by_split.get("train", ())}))
        for split, rows in by_split.items():
            unknown = sorted({row.label for row in rows} - set(names))
            if unknown:
                raise ValueError(
                    f"The {split} split has classes without training examples: {unknown}. "
                    f"Classes with training examples: {list(names)}. Received: {received}"
                )
        if len(names) < 2:
            raise ValueError(
                "At least two classes with examples are needed. Found examples for "
                f"{list(names)} alone. Received: {received}"
            )
        return names

    def labels(self, rows, class_names):
        """Indices of classes, or the rows of labels or numbers."""
        if self.name != "classes":
            return tuple(row.label for row in rows)
        return tuple(class_names.index(row.label) for row in rows)


@dataclasses.dataclass(frozen=True)
class RowOptions:
    """The arguments that the readers of texts and tables share; `text_table` explains each.

    `received` is the path of the data, for errors.
    """

    received: str
    batch_size: int
    validation_split: float | None
    seed: int
    shuffle: bool
    fold: tuple[int, int] | None
    class_names: collections.abc.Sequence[str] | None = None
    on_unreadable: str = "raise"

    def __post_init__(self):
        check_on_unreadable(self.on_unreadable)
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise ValueError(
                "`batch_size` must be a positive integer. "
                f"Received: batch_size={self.batch_size!r}"
            )
        if self.validation_split is not None and not 0 < self.validation_split < 1:
            raise ValueError(
                "`validation_split` must lie between 0 and 1, or be None to train on all "
                f"examples. Received: validation_split={self.validation_split!r}"
            )

    def splits(
        self,
        rows: collections.abc.Sequence[Row],
        tensors: collections.abc.Callable[[list], typing.Any] = tf.constant,
        thing: str = "text",
        messages: collections.abc.Sequence[str] = (),
        directory: str | os.PathLike | None = None,
        task: RowTask = RowTask(),
        unreadable: collections.abc.Sequence[tuple[str, str]] = (),
    ) -> ImageSplits:
        """The datasets of rows, after it has raised the warnings about them.

        Args:
            rows: all rows.
            tensors: function from the contents of rows to the structure of tensors that a
                dataset gives. Defaults to texts as strings.
            thing: what a row is, for messages. Defaults to "text".
            messages: what was found in reading, to be raised too. Defaults to none.
            directory: the folder in which each example is a file, at its place. Defaults to
                None: the examples are no files.
            task: what the rows have. Defaults to classes.
            unreadable: pairs of a path and a reason, for files that were left out.
        """
        by_split = {split: [row for row in rows if row.split == split] for split in SPLITS}
        by_split = {split: found for split, found in by_split.items() if found}
        class_names = task.class_names(by_split, self.received, self.class_names)
        by_split = self._divided(by_split, task)
        labels = {split: task.labels(found, class_names) for split, found in by_split.items()}
        digests = {split: [row.digest for row in found] for split, found in by_split.items()}
        places = {split: [row.place for row in found] for split, found in by_split.items()}
        is_new = self.class_names is None
        checked = check_splits(labels, digests, places, class_names, thing, task.name, is_new)
        messages = [*messages, *checked]
        for message in messages:
            warnings.warn(message, DataWarning, stacklevel=3)
        fingerprints = {
            split: _fingerprint(found, labels[split]) for split, found in by_split.items()
        }
        contents = {
            split: tensors([row.content for row in found]) for split, found in by_split.items()
        }
        groups = self._groups(by_split)

        def dataset(split, shuffle=False):
            if split not in by_split:
                return None
            return self._dataset(
                contents[split], labels[split], class_names, fingerprints[split],
                groups.get(split), shuffle,
            )  # fmt: skip

        return ImageSplits(
            train=dataset("train", self.shuffle),
            validation=dataset("validation"),
            test=dataset("test"),
            train_in_order=dataset("train"),
            class_names=class_names,
            labels=labels,
            paths={} if directory is None else _paths(places, directory),
            fingerprints=fingerprints,
            warnings=tuple(messages),
            groups=groups,
            texts={
                split: tuple(map(self._described, found)) for split, found in by_split.items()
            },
            kind=f"{thing}s",
            task=task.name,
            unreadable=tuple(unreadable),
            columns=contents if thing == "row" else {},
        )

    def contents(self, files, groups, read, things, directory):
        """The rows of files, the files that cannot be read, and messages.

        Args:
            files: what `labelled_files` returned.
            groups: of these.
            read: a function from a path to the content, which raises `ValueError`.
            things: what the files are, for messages.
            directory: that the places of the rows are relative to.

        Raises:
            ValueError: if a file cannot be read, and none may be left out.
        """
        rows, unreadable = [], []
        for (split, name, path), group in zip(files, groups, strict=True):
            try:
                content = read(path)
            except (OSError, ValueError) as error:
                unreadable.append((os.fspath(path), str(error)))
            else:
                rows.append(Row(content, name, split, group, os.path.relpath(path, directory)))
        if unreadable and (self.on_unreadable == "raise" or not rows):
            raise ValueError(
                list_unreadable(unreadable, len(files), directory, self.received, things)
            )
        messages = skipped_messages(unreadable, len(files), things)
        gone = sorted({name for _, name, _ in files} - {row.label for row in rows})
        if gone:
            messages.append(f"Left out, since none of their {things} can be read: {gone}.")
        return rows, unreadable, messages

    def _described(self, row):
        """What stands for an example on a page."""
        if isinstance(row.content, tuple):
            return ", ".join(row.content)
        return row.content if isinstance(row.content, str) else row.place

    def _divided(self, by_split, task):
        """The rows of each split, once a fold or a validation set is set aside."""
        if self.fold is not None:
            return self._with_fold(by_split, task)
        if "validation" in by_split or self.validation_split is None:
            return by_split
        train = by_split["train"]
        strata = strata_of([row.label for row in train], task.name)
        kept, moved = stratified_split(strata, _units(train), self.validation_split, self.seed)
        found = {"train": [train[index] for index in kept]}
        if moved:
            found["validation"] = [train[index] for index in moved]
        return {**found, **{name: by_split[name] for name in by_split if name != "train"}}

    def _with_fold(self, by_split, task):
        every = [*by_split["train"], *by_split.get("validation", [])]
        labels = rarest_strata([row.label for row in every], task.name)
        kept, moved = fold_of(labels, _units(every), self.fold, self.seed)
        return {
            "train": [every[index] for index in kept], "test": [every[index] for index in moved]
        }  # fmt: skip

    def _dataset(self, given, labels, class_names, fingerprint, groups, shuffle):
        number = len(labels)
        slices = tf.data.Dataset.from_tensor_slices((given, label_array(labels)))
        source = ImageSource(
            lambda start=0: slices.skip(start), number, fingerprint, self.batch_size, shuffle,
            self.seed, name=self.received.strip("'\""), groups=groups,
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


def _paths(places, directory):
    """The absolute path of each place, for each split."""
    folder = os.path.abspath(directory)
    return {
        split: tuple(os.path.join(folder, place) for place in found)
        for split, found in places.items()
    }


def _units(rows):
    """For each row a string, equal for copies and for rows of one group."""
    return units_of([row.digest for row in rows], [], [row.group for row in rows])


def _fingerprint(rows, labels):
    contents = [
        row.digest if isinstance(row.content, np.ndarray) else row.content for row in rows
    ]
    values = json.dumps([contents, label_array(labels).tolist()])
    return hashlib.sha256(values.encode()).hexdigest()
