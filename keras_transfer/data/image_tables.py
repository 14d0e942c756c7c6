"""Images from a CSV file: their classes, their labels, or numbers."""

import collections.abc
import os
import pathlib

from keras_transfer.data.columns import (
    arrays_of,
    cell_of,
    cells_to_predict,
    column_messages,
    kinds_of,
)
from keras_transfer.data.file_splits import SPLITS, ByClass, ByRow, FileOptions
from keras_transfer.data.image_folders import split_of
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.labeled_dataset import IMAGE_BYTES, IMAGES
from keras_transfer.data.metadata import cell, csv_rows
from keras_transfer.data.pipeline import ReadingOptions
from keras_transfer.data.scanning import find_files, is_image
from keras_transfer.data.targets import are_marks, read_targets, wrong_row

_SPLIT = "split"
# How tables name the column with the files, and the one with the targets.
IMAGE_COLUMNS = ("path", "image", "file", "filename", "file_name", "image_path", "image_id")
_TARGETS = ("label", "labels", "class", "target", "targets", "tags")


def image_table(
    csv: str | os.PathLike,
    image_size: int | tuple[int, int],
    images: str | None = None,
    targets: str | collections.abc.Sequence[str] | None = None,
    group: str | None = None,
    split: str | None = None,
    task: str | None = None,
    directory: str | os.PathLike | None = None,
    inputs: collections.abc.Sequence[str] | collections.abc.Mapping[str, str] | None = None,
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
    class_names: collections.abc.Sequence[str] | None = None,
) -> ImageSplits:
    """Reads the images that a CSV file names, each with its class, its labels or its numbers.

    Without a validation set in the file, a part of the images becomes one, as in
    `image_folder`: a part of each class, of each label, or of small and large numbers.

    If `task` is None, the cells decide. Several columns are labels if all cells are 0 or 1 (or
    -1 or 1, true or false), else numbers. One column has

    - numbers, if at least 9 of 10 cells are numbers, and these are not whole or have more than
      20 different values; "007" is a class;
    - several labels in a cell, if a cell contains ";" or "|", or is a list in brackets; or ","
      between labels of which one stands alone in another cell, or which combine to more
      different cells than there are labels; or a space between labels, of a number that
      varies, which combine so;
    - one class in each cell otherwise.

    Cells that may be either raise an error that asks for `task`.

    Args:
        csv: the CSV file in UTF-8, with a header and with commas, semicolons or tabs between
            the cells.
        image_size: `(height, width)`, or one integer for both, in pixels.
        images: the name of the column with the files. The suffix of a file may be left out.
            Defaults to None: a column such as "path", "image" or "filename", else the first.
        targets: the name of the column with the class, the labels or the number of each image;
            or several names, of columns with 0 or 1 for each label, or with numbers. Defaults
            to None: the only other column; or the one called "label", "class", "target" or
            "tags"; or all others, if their cells are 0 or 1.
        group: the name of the column with the group of each image, as in `image_folder`; an
            empty cell is no group. Defaults to None.
        split: the name of the column with the split of each image: train, validation or test,
            under the names that public data sets use. Defaults to None: "split" if there is
            one, else all images are for training.
        task: "classes", "labels" or "numbers". Defaults to None: the cells decide.
        directory: the folder that the files are relative to. Defaults to None, that of the CSV
            file.
        inputs: the names of the columns that go in beside the image, such as an age or a
            place; or a dict of name to "numbers" or "categories". As in `data.table`, the cells
            decide what a column holds, and may be missing. The inputs of an element are then a
            dict: "images" and each column, of shape `(batch, 1)`; `heads.JoinedHead` takes
            them. Defaults to None, the image alone.
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
        class_names: as in `image_folder`.

    Returns:
        An `ImageSplits`, whose `task` says what the images have. With labels or numbers, an
        element of its datasets has float32 targets of shape `(batch, names)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file lacks a column, a row names no file in the folder, has an empty
            or an invalid cell or an unknown split, the cells do not decide the task, or as in
            `image_folder`.

    Example:
        >>> lines = [f"{path},{path[-5]}" for path in splits.paths["train"]]
        >>> with open("labels.csv", "w") as file:
        ...     _ = file.write("\\n".join(["path,number", *lines]))
        >>> data.image_table("labels.csv", image_size=16, targets="number").class_names
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
    files = FileOptions(
        repr(os.fspath(csv)), on_unreadable, shuffle, exclude, fold, class_names
    )
    file = pathlib.Path(csv).absolute()
    folder = Folder(file.parent if directory is None else pathlib.Path(directory).absolute())
    inputs = [inputs] if isinstance(inputs, str) else inputs or ()
    given = {"images": images, "targets": targets, "split": split, "group": group}
    rows, images, split = named_rows(file, given, folder, files.place)
    columns = _target_columns(targets, rows, {images, split, group, *inputs}, files.place)
    _check_inputs(inputs, {*columns, images}, file)
    places, where = places_of(rows, images, split, folder, file)
    cells = [[cell(row, column) for column in columns] for row in rows]
    found = read_targets(cells, columns, task, file, class_names)
    messages = [*found.messages, *([] if directory is None else folder.unnamed(places, file))]
    groups = {place: cell(row, group) for place, row in zip(places, rows, strict=True)}
    beside = None
    if inputs:
        kinds = kinds_of(rows, inputs, file)
        messages += column_messages(rows, kinds, inputs)
        beside = rows_beside(rows, places, kinds)
    labelled = _labelled(found, places, where)
    return files.splits(
        labelled, folder.path, options, groups if group else None, messages, beside
    )


def named_rows(file, given, folder, received):
    """The rows of a table of files, the name of the column with the files, that of the split.

    Args:
        file: the path of the table.
        given: a dict from arguments to the names of columns, or None.
        folder: the `Folder` of the files.
        received: the data, for errors.

    Raises:
        ValueError: if the table lacks a column, has no rows, or has no header.
    """
    rows = csv_rows(file, {argument: column for argument, column in given.items() if column})
    if not rows:
        raise ValueError(f"'{file}' has no row below its header. Received: {received}")
    images = given["images"] or column_of_images(rows[0])
    if folder.find(images)[0]:
        raise ValueError(
            f"'{file}' has no header: add a first line with the names of the columns, such as "
            f"path,label. Received: a first line that names the file {images!r}"
        )
    return rows, images, given.get("split") or (_SPLIT if _SPLIT in rows[0] else None)


def _target_columns(targets, rows, others, place):
    """The names of the columns with targets, as given or as the header says."""
    given = [targets] if isinstance(targets, str) else list(targets or ())
    columns = given or columns_of_targets(rows, others, place)
    if len(set(columns)) < len(columns):
        raise ValueError(f"`targets` names a column twice. Received: targets={columns}")
    return columns


def _check_inputs(inputs, others, file):
    """Raises `ValueError` for inputs that are other columns too, or the name of the images."""
    shared = sorted({*inputs} & others)
    if shared:
        raise ValueError(
            "A column is the image, a target or an input, and not two of these: leave it "
            f"out of `inputs` (--inputs). Received: {shared}"
        )
    taken = sorted({*inputs} & {IMAGES, IMAGE_BYTES})
    if taken:
        raise ValueError(
            "The images themselves go in under this name: rename the column. "
            f"Received: {taken} in '{file}'"
        )


def _labelled(found, places, where):
    """The `Labelled` of the targets, the paths and the splits of rows."""
    by_split: dict = {name: {} for name in SPLITS if name in where or name == "train"}
    for name, place, target in zip(where, places, found.rows, strict=True):
        by_split[name][place] = target
    return ByClass.of_rows(by_split) if found.task == "classes" else ByRow(found, by_split)


def rows_beside(rows, places, kinds):
    """A function from paths of images to their rows, a dict of name to array."""
    cells = {
        place: [cell_of(row, name) for name in kinds]
        for place, row in zip(places, rows, strict=True)
    }
    return lambda paths: arrays_of([cells[path] for path in paths], kinds)


def unlabelled_rows(file, columns, images=None):
    """The images that a CSV file names, with their rows, for a prediction.

    Args:
        file: the path of the CSV file.
        columns: a dict of name to "numbers" or "categories".
        images: as in `image_table`.

    Returns:
        A list of `(path, cells)`, and a list of `(name, reason)` for the other rows.
    """
    rows = csv_rows(file, {"images": [images] if images else []})
    taken, missing = cells_to_predict(rows, columns, file)
    images = images or column_of_images(rows[0])
    folder, found = Folder(pathlib.Path(file).absolute().parent), []
    for number, cells in taken:
        name = cell(rows[number - 2], images)
        where = f"Row {number} of '{file}'"
        if not name:
            missing.append((where, f"names no file in its column {images!r}"))
            continue
        place, reason = folder.find(name)
        if reason is None:
            found.append((place, cells))
        else:
            missing.append((name, reason))
    return found, missing


def column_of_images(row):
    """The name of the column with the files of a table, of which this is a row."""
    return next((name for name in row if str(name).lower() in IMAGE_COLUMNS), next(iter(row)))


def columns_of_targets(rows, others, place):
    """The columns with targets, if the header leaves no doubt."""
    columns = [name for name in rows[0] if name is not None and name not in others]
    known = [name for name in columns if name.lower() in _TARGETS]
    for found in (columns, known):
        if len(found) == 1:
            return found
    if columns and are_marks([[cell(row, name) for name in columns] for row in rows]):
        return columns
    raise ValueError(
        "Name the column with the class, the labels or the number of each image with `targets` "
        f"(--targets COLUMN); the columns are {columns}. Received: {place}"
    )


def places_of(rows, images, split, folder, file):
    """The absolute path and the split of each row."""
    numbers, where = {}, []
    for number, row in enumerate(rows, 2):  # as a spreadsheet counts them
        name, part = cell(row, images), cell(row, split)
        if not name:
            raise wrong_row(file, number, f"names no file in its column {images!r}", name)
        place, reason = folder.find(name)
        if reason is not None:
            raise wrong_row(file, number, reason, name)
        if place in numbers:
            what = (
                f"names the same file as row {numbers[place]}: a file has one row (several "
                "labels of an image are separated by ';')"
            )
            raise wrong_row(file, number, what, name)
        numbers[place] = number
        where.append("train" if split is None else split_of(part))
        if where[-1] is None:
            what = f"must say train, validation or test in {split!r}"
            raise wrong_row(file, number, what, part)
    return list(numbers), where


class Folder:
    """The folder that the files of a table are relative to."""

    def __init__(self, path):
        self.path, self._stems = path, {}

    def find(self, name):
        """The absolute path of a file, and None; or None and what is wrong with its name."""
        directory = os.path.normpath(self.path)
        place = os.path.normpath(os.path.join(directory, name))
        if not pathlib.Path(place).is_relative_to(directory):
            return None, (
                f"names a file outside '{directory}': give the folder that holds all files as "
                "the data, and the CSV file with `labels` (--labels FILE)"
            )
        if not os.path.isfile(place):
            stem = os.path.basename(place)
            found = self._by_stem(os.path.dirname(place)).get(stem, [])
            if len(found) != 1:
                several = f", but {sorted(found)}: add the suffix" if found else ""
                return None, f"names no file in '{directory}'{several}"
            (place,) = found
        return place, None

    def _by_stem(self, directory):
        """Dict from the names of the images in a folder, without suffix, to their paths."""
        if directory not in self._stems:
            stems = self._stems[directory] = {}
            if os.path.isdir(directory):
                for entry in os.scandir(directory):
                    stem, suffix = os.path.splitext(entry.name)
                    if suffix and entry.is_file() and is_image(entry.path):
                        stems.setdefault(stem, []).append(entry.path)
        return self._stems[directory]

    def unnamed(self, places, file, is_wanted=is_image):
        """A message about the files of the folder that a file with labels does not name."""
        found = find_files(self.path, is_wanted)
        left = {os.path.normpath(path) for path in found} - set(places)
        if left:
            yield (
                f"Left out, since '{file}' does not name them: {len(left)} files, such as "
                f"'{os.path.relpath(min(left), self.path)}'."
            )
