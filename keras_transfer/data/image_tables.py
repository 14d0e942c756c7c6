"""Images from a CSV file of paths and classes."""

import collections.abc
import os
import pathlib

from keras_transfer.data.file_splits import SPLITS, FileOptions
from keras_transfer.data.image_folders import split_of
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.metadata import csv_rows
from keras_transfer.data.pipeline import ReadingOptions

_PATH, _SPLIT = "path", "split"
# What separates several labels in a cell.
_SEPARATORS = ";|"


def image_table(
    file: str | os.PathLike,
    image_size: int | tuple[int, int],
    label: str,
    path: str | None = None,
    split: str | None = None,
    group: str | None = None,
    *,
    batch_size: int = 32,
    validation_split: float | None = 0.2,
    seed: int = 0,
    on_unreadable: str = "raise",
    shuffle: bool = True,
    color_mode: str = "rgb",
    reduced_decoding: bool = True,
    exclude: str | os.PathLike | collections.abc.Iterable | None = None,
    value_range: float | None = None,
    fold: tuple[int, int] | None = None,
) -> ImageSplits:
    """Reads the images that a CSV file names, each with its class.

    Use it where the classes are not folders. Without a validation set in the file, a part of
    each class becomes one, as in `image_folder`.

    Args:
        file: the CSV file in UTF-8, with a header and with commas, semicolons or tabs between
            the cells.
        image_size: `(height, width)`, or one integer for both, in pixels.
        label: the name of the column with the class of each image.
        path: the name of the column with the files, relative to the folder of the CSV file.
            Defaults to None: "path", else the first column.
        split: the name of the column with the split of each image: train, validation or test.
            Defaults to None: "split" if there is one, else all images are for training.
        group: the name of the column with the group of each image, as in `image_folder`; an
            empty cell is no group. Defaults to None.
        batch_size: as in `image_folder`, as all that follow.
        validation_split: fraction of each class.
        seed: of the split and of the order.
        on_unreadable: "raise" or "skip".
        shuffle: whether the order changes in each epoch.
        color_mode: "rgb" or "grayscale".
        reduced_decoding: whether a large JPEG may be decoded at a reduced size.
        exclude: images to leave out.
        value_range: the value that is white in images of more than 8 bits.
        fold: `(index, number)` for cross-validation.

    Returns:
        An `ImageSplits`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file lacks a column, a row names no file in the folder of the CSV
            file, no class or an unknown split, or as in `image_folder`.

    Example:
        >>> lines = [f"{path},{path[-5]}" for path in splits.paths["train"]]
        >>> with open("labels.csv", "w") as file:
        ...     _ = file.write("\\n".join(["path,number", *lines]))
        >>> data.image_table("labels.csv", image_size=16, label="number").class_names
        ('0', '1', '2', '3', '4', '5')
    """
    options = ReadingOptions(
        image_size,
        batch_size,
        validation_split,
        seed,
        color_mode,
        reduced_decoding,
        value_range,
    )
    files = FileOptions(f"file={os.fspath(file)!r}", on_unreadable, shuffle, exclude, fold)
    file = pathlib.Path(file).absolute()
    wanted = {"label": label, "path": path, "split": split, "group": group}
    rows = csv_rows(file, {name: column for name, column in wanted.items() if column})
    if not rows:
        raise ValueError(f"'{file}' has no row below its header. Received: {files.place}")
    path = path or (_PATH if _PATH in rows[0] else next(iter(rows[0])))
    split = split or (_SPLIT if _SPLIT in rows[0] else None)

    classes: dict = {name: {} for name in SPLITS}
    groups: dict = {}
    numbers: dict = {}
    for number, row in enumerate(rows, 2):  # as a spreadsheet counts them
        try:
            place = _place_of(row, path, file.parent)
            if place in numbers:
                raise ValueError(f"names the same file as row {numbers[place]}: {row[path]!r}")
            class_name, where = _class_of(row, label), _split_of(row, split)
        except ValueError as error:
            raise ValueError(f"Row {number} of '{file}' {error}") from None
        numbers[place] = number
        classes[where].setdefault(class_name, []).append(place)
        groups[place] = _cell(row, group)
    classes = {name: found for name, found in classes.items() if found or name == "train"}
    _check_is_no_number(classes["train"], label, files.place)
    return files.splits(classes, file.parent, options, groups if group else None)


def _cell(row, column):
    """The text of a cell; "" if the column is None or the row is short."""
    return (row.get(column) or "").strip()


def _place_of(row, path, directory):
    """The absolute path of the file that a row names."""
    name, directory = _cell(row, path), os.path.normpath(directory)
    place = os.path.normpath(os.path.join(directory, name))
    if not name:
        raise ValueError(f"names no file in its column {path!r}. Received: ''")
    if not pathlib.Path(place).is_relative_to(directory):
        raise ValueError(f"names a file outside '{directory}'. Received: {name!r}")
    if not os.path.isfile(place):
        raise ValueError(f"names no file in '{directory}'. Received: {name!r}")
    return place


def _class_of(row, label):
    name = _cell(row, label)
    if not name:
        raise ValueError(f"has no class in its column {label!r}. Received: ''")
    if any(separator in name for separator in _SEPARATORS):
        raise ValueError(
            f"has several classes in its column {label!r}, of which an image has one here; "
            f"`heads.SigmoidHead` learns several from a `tf.data.Dataset`. Received: {name!r}"
        )
    return name


def _split_of(row, split):
    name = _cell(row, split)
    found = "train" if split is None else split_of(name)
    if found is None:
        raise ValueError(f"must say train, validation or test in {split!r}. Received: {name!r}")
    return found


def _check_is_no_number(classes, label, place):
    """Raises `ValueError` if the classes are measurements, most of them of one image."""
    single = sum(len(found) == 1 for found in classes.values())
    if single > len(classes) / 2 and len(classes) > 20 and all(map(_is_number, classes)):
        raise ValueError(
            f"The column {label!r} holds {len(classes)} different numbers, which are no "
            "classes: `heads.DenseHead` learns numbers from a `tf.data.Dataset`. "
            f"Received: {place}"
        )


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
