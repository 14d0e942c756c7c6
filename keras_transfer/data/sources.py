"""The data that a command is given: a folder of class folders, or a CSV file."""

import collections
import glob
import itertools
import os
import pathlib

from keras_transfer.data.audio_folders import SOUND_SUFFIXES, audio_folder
from keras_transfer.data.box_sets import boxes as read_boxes
from keras_transfer.data.image_folders import image_folder
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.image_tables import IMAGE_COLUMNS, column_of_images, image_table
from keras_transfer.data.mask_folders import mask_folder
from keras_transfer.data.metadata import cell, column_names, first_row, read_groups
from keras_transfer.data.scanning import is_image
from keras_transfer.data.tables import table
from keras_transfer.data.text_folders import text_folder
from keras_transfer.data.text_tables import TEXT_COLUMNS, text_table

_TABLES = (".csv", ".tsv")
_CLASSES, _SPLIT = ("label", "class", "target"), "split"
# What readers of examples in memory take of the arguments of `image_folder`.
_SHARED = ("batch_size", "validation_split", "seed", "shuffle", "fold", "class_names")
_OF_FILES = (*_SHARED, "on_unreadable")
# Files that are looked at to see what a folder holds.
_LOOKED_AT, _LOOKED_AT_OF_CLASS = 1000, 50
_KINDS = {
    ".txt": "texts",
    # Some of these cannot be read, but none of them is an image.
    **dict.fromkeys((*SOUND_SUFFIXES, ".m4a", ".aac", ".wma", ".opus", ".aiff"), "sounds"),
}


def is_table(data):
    """Whether the path is that of a table, by its suffix."""
    name = os.fspath(data).lower().removesuffix(".gz")
    return pathlib.PurePath(name).suffix in _TABLES and not os.path.isdir(data)


def kind_of(data, reading):
    """What the examples of data are, as `ImageSplits.kind` says it.

    Args:
        data: the path of a folder or file, or an `ImageSplits`.
        reading: the arguments of `read_source` that a user gave, a dict.
    """
    if isinstance(data, ImageSplits):
        return data.kind
    given = {name for name, value in reading.items() if value is not None}
    if given & {"masks", "boxes"}:
        return "images"
    if "text" in given:
        return "texts"
    if "labels" in given and not is_table(data) and "inputs" not in given:
        return _kind_of_named(reading["labels"], reading.get("images"))
    if "labels" in given or (is_table(data) and "images" in given):
        return "images and rows" if "inputs" in given else "images"
    if not is_table(data):
        return _kind_of_folder(data)
    kind = _kind_of_table(data, "inputs" in given)
    return "images and rows" if kind == "images" and "inputs" in given else kind


def _kind_of_table(file, has_inputs):
    """A table names images, holds texts, or its rows are the examples."""
    columns = column_names(file)
    names = {name.lower() for name in columns}
    known = [name for name in columns if name.lower() in IMAGE_COLUMNS]
    if not known and names & set(TEXT_COLUMNS):
        return "texts"
    name = cell(first_row(file), next(iter(known or columns), None))
    found = _KINDS.get(pathlib.PurePath(name).suffix.lower())
    if found is not None and has_inputs:  # measures of each file
        return "rows"
    if found is not None:
        raise ValueError(
            f"A CSV file can name images, but not {found}: name their folder, and the CSV file "
            "with `labels` (--labels FILE); or with `inputs` (--inputs) the columns of "
            "measures. "
            f"Received: '{name}' in '{file}'"
        )
    # The suffix of a file may be left out.
    place = pathlib.Path(file).parent / glob.escape(name)
    is_file = bool(name) and any(glob.glob(f"{place}{end}") for end in ("", ".*"))
    return "images" if known or is_file or is_image(name) else "rows"


def _kind_of_named(file, images):
    """What the files are that a table names; the suffix of an image may be left out."""
    row = first_row(file)
    name = cell(row, images or column_of_images(row)) if row else ""
    return _KINDS.get(pathlib.PurePath(name).suffix.lower(), "images")


def _kind_of_folder(data):
    """What most files in the subfolders of a folder are; images where none is known."""
    folders = [path for path in sorted(pathlib.Path(data).glob("*")) if path.is_dir()]
    files = (file for folder in folders for file in _files_of_class(folder))
    counts = collections.Counter(
        _KINDS.get(file.suffix.lower(), "images" if is_image(file) else None)
        for file in itertools.islice(files, _LOOKED_AT)
    )
    del counts[None]
    if not counts:
        _check_class_folders(data)
    # Of equal numbers images count.
    return max(counts, key=lambda kind: (counts[kind], kind == "images"), default="images")


def _files_of_class(folder):
    return itertools.islice(
        itertools.chain(folder.glob("*.*"), folder.glob("*/*.*")), _LOOKED_AT_OF_CLASS
    )


def _check_class_folders(data):
    """Raises `ValueError` if a folder holds texts or sounds themselves, and no folder."""
    inside, found = list(pathlib.Path(data).glob("*")), _loose_kinds(data)
    if found and not any(path.is_dir() or is_image(path) for path in inside):
        listed = ", ".join(f"{number} {suffix} files" for suffix, number in found.items())
        raise ValueError(
            f"Found {listed} in '{data}', and no class folder: each class needs a subfolder "
            f"with its files. Received: data={os.fspath(data)!r}"
        )


def _loose_kinds(data):
    """How many files of texts and sounds a folder itself holds, by suffix."""
    suffixes = [path.suffix.lower() for path in pathlib.Path(data).glob("*")]
    return collections.Counter(suffix for suffix in suffixes if suffix in _KINDS)


def read_source(data, image_size=None, kind=None, sounds=None, **arguments):
    """The `ImageSplits` of a folder or of a CSV file.

    Args:
        data: the path of the folder or file.
        image_size: as in `image_folder`.
        kind: as in `kind_of`. Defaults to None: the data decide.
        sounds: the arguments `seconds` and `sample_rate` of `audio_folder`. Defaults to None.
        **arguments: those of `image_folder` and `image_table`, and those of a command:
            `labels`, for a folder without class folders, the CSV file with the labels;
            `images`, `targets`, `task`, `inputs` and `text`, columns of a CSV file and what
            they hold;
            `metadata`, for class folders a CSV file with a column `path`, and `group`, its
            column, or that of the CSV file; `masks`, `classes` and `ignore_class` as in
            `mask_folder`; `boxes`, the file or folder with boxes, and `box_format`.
    """
    reading = {name: arguments.pop(name, None) for name in READING}
    kind = kind or kind_of(data, reading)
    if kind == "sounds":
        arguments |= sounds or {}
    readers = {"texts": _read_texts, "rows": _read_rows, "sounds": _read_sounds}
    return readers.get(kind, _read_images)(data, image_size, _Reading(data, reading), arguments)


# The arguments of a command that say what the data are.
READING = (
    "labels", "images", "targets", "task", "metadata", "group", "inputs", "text", "masks",
    "classes", "ignore_class", "boxes", "box_format",
)  # fmt: skip


class _Reading:
    """The arguments of a command about data, of which each reader takes some."""

    def __init__(self, data, given):
        self.data, self.given = data, given

    def take(self, *names):
        """The values of some arguments."""
        return [self.given[name] for name in names]

    def refuse_others(self, taken, what, why):
        """Raises `ValueError` if other arguments than these are given."""
        given = {
            name: value
            for name, value in self.given.items()
            if value is not None and name not in taken
        }
        if given:
            received = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise ValueError(
                f"{what} no {', '.join(f'`{name}`' for name in given)}: {why}. "
                f"Received: {received}, data={os.fspath(self.data)!r}"
            )

    def groups(self):
        """The groups of a folder, from the column of another file; None without one."""
        metadata, group = self.take("metadata", "group")
        if (metadata is None) is not (group is None):
            raise ValueError(
                "`metadata` (--metadata) names a file and `group` (--group) its column: give "
                f"both or none. Received: metadata={metadata!r}, group={group!r}"
            )
        return group if metadata is None else read_groups(metadata, group, self.data)

    def of_files(self, what):
        """The groups of a folder of texts or sounds, and the arguments about its CSV file."""
        labels, images, group, task = self.take("labels", "images", "group", "task")
        if labels is None:
            self.refuse_others(("metadata", "group"), what, "the subfolders are the classes")
            return self.groups(), {}
        taken = ("labels", "images", "targets", "group", "task")
        self.refuse_others(taken, what, "the CSV file gives the classes")
        columns = {"images": images, "targets": self.column()}
        return group, {"labels": labels, "task": task, **columns}

    def column(self, names=None):
        """The column of the class: the target, or one of these names."""
        (targets,) = self.take("targets")
        found = [targets] if isinstance(targets, str) else list(targets or ())
        if len(found) > 1:
            raise ValueError(
                "The class of a text or of a row stands in one column. "
                f"Received: targets={found}"
            )
        if found or names is None:
            return found[0] if found else None
        columns = column_names(self.data)
        known = [name for name in columns if name.lower() in names]
        if len(known) != 1:
            raise ValueError(
                "Name the column with the class with `targets` (--targets COLUMN); the columns "
                f"are {columns}. Received: data={os.fspath(self.data)!r}"
            )
        return known[0]


def _read_images(data, image_size, reading, arguments):
    masks, boxes, labels = reading.take("masks", "boxes", "labels")
    if masks is not None:
        of_masks = ("masks", "classes", "ignore_class")
        reading.refuse_others(of_masks, "Images with masks have", "mask files give the classes")
        classes, ignored = reading.take("classes", "ignore_class")
        return mask_folder(data, masks, image_size, classes, ignored, **arguments)
    if boxes is not None:
        of_boxes = ("boxes", "box_format")
        reading.refuse_others(
            of_boxes, "Images with boxes have", "their file gives the classes"
        )
        (box_format,) = reading.take("box_format")
        box_format = box_format or ("coco" if os.path.isfile(boxes) else "voc")
        return read_boxes(boxes, image_size, box_format, data, **arguments)
    without = {*reading.given} - {"classes", "ignore_class"}
    reading.refuse_others(
        without, "Images without masks have", "name the folder of the masks (--masks)"
    )
    reading.refuse_others(
        without - {"box_format"}, "Images without boxes have", "name their file (--boxes)"
    )
    if labels is not None and is_table(data):
        raise ValueError(
            "`labels` (--labels) is the CSV file about a folder of images: name the folder, or "
            f"one CSV file alone. Received: data={os.fspath(data)!r}, "
            f"labels={os.fspath(labels)!r}"
        )
    if labels is not None or is_table(data):
        metadata, *columns = reading.take("metadata", "images", "targets", "group")
        if metadata is not None:
            raise ValueError(
                "A CSV file has the groups in one of its own columns: leave `metadata` "
                f"(--metadata) out. Received: metadata={os.fspath(metadata)!r}"
            )
        task, inputs = reading.take("task", "inputs")
        return image_table(
            data if labels is None else labels, image_size, *columns, task=task,
            directory=None if labels is None else data, inputs=inputs, **arguments,
        )  # fmt: skip
    of_tables = {name: reading.given[name] for name in ("images", "targets", "task", "inputs")}
    _check_class_folders(data)
    if any(of_tables.values()):
        raise ValueError(
            f"{', '.join(f'`{name}`' for name in of_tables)} are about a CSV file (FILE.csv or "
            "--labels FILE.csv); in a folder, the subfolders are the classes. Received: "
            + ", ".join(f"{name}={value!r}" for name, value in of_tables.items() if value)
            + f", data={os.fspath(data)!r}"
        )
    return image_folder(data, image_size, group=reading.groups(), **arguments)


def _read_texts(data, image_size, reading, arguments):
    shared = {name: arguments[name] for name in _OF_FILES if name in arguments}
    if not is_table(data):
        group, columns = reading.of_files("A folder of texts has")
        return text_folder(data, group, **columns, **shared)
    text, group, task = reading.take("text", "group", "task")
    of_tables = ("targets", "group", "text", "task")
    reading.refuse_others(
        of_tables, "A CSV file of texts has", "it has the texts and their classes"
    )
    return text_table(data, text, reading.column(), group=group, task=task, **shared)


def _read_rows(data, image_size, reading, arguments):
    reading.refuse_others(
        ("targets", "group", "inputs", "task"),
        "The rows of a CSV file have",
        "its columns are what there is",
    )
    inputs, group, task, targets = reading.take("inputs", "group", "task", "targets")
    targets = targets or reading.column(_CLASSES)
    shared = {name: arguments[name] for name in _SHARED if name in arguments}
    has_split = _SPLIT in column_names(data) and _SPLIT not in (inputs or ())
    split = _SPLIT if has_split else None
    return table(data, targets, inputs, split, group, task=task, **shared)


def _read_sounds(data, image_size, reading, arguments):
    group, columns = reading.of_files("A folder of sounds has")
    names = (*_OF_FILES, "seconds", "sample_rate")
    shared = {name: arguments[name] for name in names if name in arguments}
    return audio_folder(data, group=group, **columns, **shared)


def division_of(splits, data, labels=None):
    """What `read_divided` needs beside the other settings, a dict that JSON holds."""
    directory = pathlib.Path(data).parent if is_table(data) else data
    found = {}
    if splits.excluded:
        found["excluded"] = [os.path.relpath(path, directory) for path in splits.excluded]
    if splits.groups and not is_table(data) and labels is None:
        found["groups"] = {
            os.path.relpath(path, directory): group
            for split, paths in splits.paths.items()
            for path, group in zip(paths, splits.groups[split], strict=True)
            if group is not None
        }
    return found


def read_divided(data, image_size, settings, kind, labels=None, **arguments):
    """The `ImageSplits` of data that were divided before, in the same way.

    Args:
        data: the path of a folder or a CSV file.
        image_size: as in `image_folder`, as `arguments`.
        settings: those of a run with what `division_of` gave. They may come from elsewhere, so
            no file that they name is read.
        kind: as in `read_source`, as `labels`.
        labels: the CSV file about a folder.
        **arguments: of `image_folder` and `image_table`.
    """
    excluded, groups = settings.get("excluded"), settings.get("groups")
    if isinstance(excluded, list):
        arguments["exclude"] = [path for path in excluded if isinstance(path, str)]
    fold = settings.get("fold")
    if isinstance(fold, list) and len(fold) == 2 and all(type(one) is int for one in fold):
        arguments["fold"] = tuple(fold)
    if "masks" in arguments or "boxes" in arguments:
        return read_source(data, image_size, kind, **arguments)
    if labels is not None or is_table(data):
        group = settings.get("group")
        columns = columns_of(settings, kind)
        return read_source(data, image_size, kind, labels=labels, group=group, **columns,
                           **arguments)  # fmt: skip
    return _read_folder(
        data, image_size, kind, groups if isinstance(groups, dict) else None, arguments
    )


def columns_of(settings, kind):
    """The columns of a CSV file that a run was trained on, arguments of `read_source`."""
    names = {
        "images": ("images", "targets", "task"),
        "images and rows": ("images", "targets", "task", "columns"),
        "texts": ("text", "images", "targets", "task"),
        "sounds": ("images", "targets", "task"),
        "rows": ("targets", "task", "columns"),
    }.get(kind, ())
    return {"inputs" if name == "columns" else name: settings.get(name) for name in names}


def _read_folder(data, image_size, kind, groups, arguments):
    """The `ImageSplits` of class folders, with groups by path."""
    sounds = arguments.pop("sounds", None) or {}
    if kind == "images":
        return image_folder(data, image_size, group=groups, **arguments)
    shared = {name: arguments[name] for name in _OF_FILES if name in arguments}
    if kind == "texts":
        return text_folder(data, groups, **shared)
    return audio_folder(data, group=groups, **sounds, **shared)
