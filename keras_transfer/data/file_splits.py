"""From image files with their targets to `ImageSplits`; shared by folders and tables."""

import collections.abc
import dataclasses
import os

from keras_transfer.data.copies import copies_among
from keras_transfer.data.exclusions import excluded_paths
from keras_transfer.data.image_files import examples_of, make_loader
from keras_transfer.data.image_splits import check_known, label_array
from keras_transfer.data.pipeline import mixed_order
from keras_transfer.data.scanning import scan, value_range_message
from keras_transfer.data.splitting import (
    fold_of,
    groups_of,
    rarest_strata,
    strata_of,
    stratified_split,
    units_of,
)

SPLITS = ("train", "validation", "test")
_MOST_LISTED = 20


class Labelled:
    """Files with their labels.

    Attributes:
        unreadable: pairs of a path and a reason, for files beside the images.
        further: what else an `ImageSplits` holds.
    """

    unreadable: tuple = ()
    further: dict = {}  # noqa: RUF012

    def targets(self, labels):
        """What the loader takes of each label: an array, or a tuple of arrays."""
        return label_array(labels)

    def loader(self, image_size):
        """The function from that to the target, or None: it is the target."""
        return None


class ByClass(Labelled):
    """The files of each class.

    Args:
        classes: dict from split to a dict from class to the paths of its images.
    """

    task = "classes"

    def __init__(self, classes):
        self._classes = classes

    @classmethod
    def of_rows(cls, rows):
        """The classes of a dict from split to a dict from path to class."""
        classes: dict = {}
        for split, found in rows.items():
            classes[split] = {}
            for path, name in found.items():
                classes[split].setdefault(name, []).append(path)
        return cls(classes)

    @property
    def paths(self):
        """All of them."""
        named = [found for by_class in self._classes.values() for found in by_class.values()]
        return [path for found in named for path in found]

    def rows(self, scanned, place, known=None):
        """The names, dict from split to `(label, file)` class by class, and messages."""
        by_class = {
            split: {
                name: [scanned[path] for path in found if path in scanned]
                for name, found in named.items()
            }
            for split, named in self._classes.items()
        }
        names, messages = _class_names(by_class, place, known)
        return names, _rows(by_class, names), messages


class ByRow(Labelled):
    """The files of a table with labels or numbers.

    Args:
        targets: the `Targets` of the table.
        rows: dict from split to a dict from path to its targets.
    """

    def __init__(self, targets, rows):
        self.task, self._names, self._rows = targets.task, targets.names, rows

    @property
    def paths(self):
        """All of them."""
        return [path for found in self._rows.values() for path in found]

    def rows(self, scanned, place, known=None):
        """The names, dict from split to `(targets, file)`, and messages."""
        rows = {
            split: [
                (target, scanned[path]) for path, target in found.items() if path in scanned
            ]
            for split, found in self._rows.items()
        }
        if known is None and not rows["train"]:
            raise ValueError(f"There are no training images. Received: {place}")
        return self._names, {split: found for split, found in rows.items() if found}, []


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """The arguments that `image_folder` and `image_table` share; they explain each.

    `place` says where the data are, for errors.
    """

    place: str
    on_unreadable: str
    shuffle: bool
    exclude: str | os.PathLike | collections.abc.Iterable | None
    fold: tuple[int, int] | None = None
    class_names: collections.abc.Sequence[str] | None = None

    def __post_init__(self):
        check_on_unreadable(self.on_unreadable)
        if self.fold is not None and not 0 <= self.fold[0] < self.fold[1] != 1:
            raise ValueError(
                "`fold` must be the index of a fold and the number of folds, at least 2. "
                f"Received: fold={self.fold!r}"
            )

    def splits(self, labelled, directory, options, group=None, messages=(), columns=None):
        """The `ImageSplits` of image files.

        Args:
            labelled: a `ByClass` or a `ByRow`.
            directory: that names in messages are relative to.
            options: the `ReadingOptions`.
            group: as in `image_folder`.
            messages: of further warnings.
            columns: a function from paths to the further inputs of these images, a dict of
                name to array. Defaults to None: images alone.
        """
        paths, task = labelled.paths, labelled.task
        excluded, left_out = excluded_paths(self.exclude, paths, directory)
        kept = [path for path in paths if path not in excluded]
        scanned, unreadable, skipped = self._scan(kept, directory, options.value_range)
        class_names, rows, empty = labelled.rows(scanned, self.place, self.class_names)
        every_file = [file for found in rows.values() for _, file in found]
        groups = groups_of([file.path for file in every_file], group, directory)
        groups = dict(zip((file.path for file in every_file), groups, strict=True))
        if self.fold is not None:
            rows = self._with_fold(rows, groups, options.seed, task)
        if "validation" not in rows and options.validation_split is not None:
            rows = self._divided(rows, groups, options, task)
        messages = [*messages, *left_out, *skipped, *empty, *_shared_groups(rows, groups)]
        messages += value_range_message(every_file, options.value_range)
        labels = {split: [label for label, _ in found] for split, found in rows.items()}
        files = {split: [file for _, file in found] for split, found in rows.items()}
        rows_beside = {} if columns is None else {
            split: columns([file.path for file in found]) for split, found in files.items()
        }  # fmt: skip

        def examples(split, is_mixed, start):
            number = len(files[split])
            kept = (mixed_order(number) if is_mixed else range(number))[start:]
            targets = labelled.targets([labels[split][i] for i in kept])
            row = rows_beside.get(split)
            if row is not None:
                row = {name: values[list(kept)] for name, values in row.items()}
            return examples_of([files[split][i] for i in kept], targets, row)

        return options.splits(
            class_names,
            labels,
            {split: [file.digest for file in found] for split, found in files.items()},
            {
                split: [os.path.relpath(file.path, directory) for file in found]
                for split, found in files.items()
            },
            examples,
            make_loader(
                options.image_size, options.channels, every_file, options.reduced_decoding,
                options.value_range, labelled.loader(options.image_size),
            ),
            shuffle_buffer=len(every_file) if self.shuffle else 0,
            mixes=True,
            messages=messages,
            stacklevel=4,
            paths={split: tuple(file.path for file in files[split]) for split in files},
            task=task,
            is_trained_on=self.class_names is None,
            unreadable=(*unreadable, *labelled.unreadable),
            **labelled.further,
            columns=rows_beside,
            kind="images and rows" if rows_beside else "images",
            excluded=tuple(path for path in paths if path in excluded),
            groups={} if group is None else {
                split: tuple(groups[file.path] for file in found)
                for split, found in files.items()
            },
        )  # fmt: skip

    def _scan(self, paths, directory, value_range):
        """Dict from path to readable file, the unreadable ones, and messages."""
        scanned = {file.path: file for file in scan(paths, value_range)}
        unreadable = [(file.path, file.reason) for file in scanned.values() if file.reason]
        readable = {path: file for path, file in scanned.items() if not file.reason}
        return readable, unreadable, self.skipped(unreadable, len(paths), directory)

    def skipped(
        self, unreadable, num_files, directory, what="images", of="that cannot be read"
    ):
        """A message about files that are left out, as a list that is empty if there are none.

        Args:
            unreadable: a list of `(path, reason)`.
            num_files: of how many.
            directory: that the names are relative to.
            what: what the files are, for the error.
            of: what is wrong with the images, for the message.

        Raises:
            ValueError: if none may be left out.
        """
        if unreadable and self.on_unreadable == "raise":
            raise ValueError(
                list_unreadable(unreadable, num_files, directory, self.place, what)
            )
        return skipped_messages(unreadable, num_files, "images", of)

    def _with_fold(self, rows, groups, seed, task):
        """All rows but those of the test set, with one fold of them as test set."""
        every = [*rows["train"], *rows.get("validation", [])]
        labels = rarest_strata([label for label, _ in every], task)
        kept, moved = fold_of(labels, _units(every, groups), self.fold, seed)
        return {
            "train": [every[place] for place in kept], "test": [every[place] for place in moved]
        }  # fmt: skip

    def _divided(self, rows, groups, options, task):
        """The rows with a part of the training set as validation set."""
        train = rows["train"]
        distinct = {groups[file.path] for _, file in train} - {None}
        units = _units(train, groups)
        strata = strata_of([label for label, _ in train], task)
        kept, moved = stratified_split(strata, units, options.validation_split, options.seed)
        if distinct and not moved:
            raise ValueError(
                "Too few groups to set images aside: every class has all of its images in one "
                f"group. Pass `validation_split=None`, or name groups that classes share. "
                f"Received: {len(distinct)} groups, such as {min(distinct)!r}"
            )
        found = {"train": [train[index] for index in kept]}
        if moved:
            found["validation"] = [train[index] for index in moved]
        return {**found, **{split: rows[split] for split in rows if split != "train"}}


def check_on_unreadable(on_unreadable):
    """Raises `ValueError` for another word than "raise" and "skip"."""
    if on_unreadable not in ("raise", "skip"):
        raise ValueError(
            "`on_unreadable` must be 'raise' or 'skip'. "
            f"Received: on_unreadable={on_unreadable!r}"
        )


def skipped_messages(unreadable, num_files, things, of="that cannot be read"):
    """A message about files that are left out, as a list that is empty if there are none."""
    if not unreadable:
        return []
    return [f"Skipped {len(unreadable)} of {num_files} {things} {of}; `unreadable` lists them."]


def list_unreadable(unreadable, num_files, directory, place, things):
    """The message about files that cannot be used, with the reason for each."""
    lines = [
        f"  {os.path.relpath(path, directory)}: {reason}"
        for path, reason in unreadable[:_MOST_LISTED]
    ]
    if len(unreadable) > _MOST_LISTED:
        lines.append(f"  and {len(unreadable) - _MOST_LISTED} more")
    verb = "read" if things in ("images", "sounds", "texts") else "used"
    return (
        f"{len(unreadable)} of {num_files} {things} cannot be {verb}:\n"
        + "\n".join(lines)
        + "\nRepair or remove them, or pass `on_unreadable='skip'` (--on-unreadable skip) "
        f"to leave them out. Received: {place}"
    )


def _units(rows, groups):
    """For each row a string, equal for copies and for images of one group."""
    files = [file for _, file in rows]
    named = [groups[file.path] for file in files]
    return units_of([file.digest for file in files], copies_among(files), named)


def _class_names(files, place, known=None):
    """The names of the classes with training images, and messages about empty ones."""
    if known is not None:
        check_known(
            {name for split in files.values() for name, found in split.items() if found}, known
        )
        return tuple(known), []
    names = tuple(sorted(name for name, found in files["train"].items() if found))
    empty = sorted(set(files["train"]) - set(names))
    for split, by_class in files.items():
        unknown = sorted(
            name for name, found in by_class.items() if found and name not in names
        )
        if unknown:
            raise ValueError(
                f"The {split} split has classes without training images, which no model "
                f"could predict: {unknown}. Classes with training images: {list(names)}. "
                f"Received: {place}"
            )
    if len(names) < 2:
        others = f", and none for {empty}" if empty else ""
        raise ValueError(
            "At least two classes with images are needed. Found images for "
            f"{list(names)} alone{others}. Received: {place}"
        )
    listed = ", ".join(f"'{name}'" for name in empty)
    return names, [f"Left out, since they contain no image: {listed}."] if empty else []


def _rows(by_class, class_names):
    """Dict from split to `(label, file)` of its images, class by class."""
    rows = {
        split: [
            (label, file)
            for label, name in enumerate(class_names)
            for file in found.get(name, [])
        ]
        for split, found in by_class.items()
    }
    return {split: found for split, found in rows.items() if found}


def _shared_groups(rows, groups):
    """A message about the groups that are in the training set and in another one."""
    by_split = {
        split: {groups[file.path] for _, file in found} - {None}
        for split, found in rows.items()
    }
    for split, names in by_split.items():
        shared = sorted(names & by_split.get("train", set()))
        if split != "train" and shared:
            yield (
                f"Groups of the {split} split are also in the train split, which makes its "
                f"score too high: {len(shared)}, such as '{shared[0]}'."
            )
