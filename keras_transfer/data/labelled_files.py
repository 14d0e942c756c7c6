"""Files of texts or sounds with their classes: from class folders, or from a CSV file."""

import os
import pathlib

from keras_transfer.data.image_folders import find_classes, find_splits
from keras_transfer.data.image_tables import (
    Folder,
    columns_of_targets,
    named_rows,
    places_of,
)
from keras_transfer.data.metadata import cell
from keras_transfer.data.splitting import groups_of
from keras_transfer.data.targets import check_classes


def labelled_files(directory, suffixes, options, group, labels, images, targets, task):
    """The files with their classes: `(split, class, path)`; their groups; and messages.

    Args:
        directory: the folder.
        suffixes: of the files, in lower case.
        options: the `RowOptions`.
        group: as in `audio_folder`, as the other ones.
        labels: the CSV file, or None for class folders.
        images: its column with the files, or None.
        targets: its column with the classes, or None.
        task: as in `text_table`.

    Raises:
        OSError, ValueError: if the CSV file cannot be read, or names no file or no class.
    """
    columns = {"images": images, "targets": targets}
    if labels is not None:
        return _named_files(
            directory, suffixes, options, labels, {**columns, "group": group}, task
        )
    given = [f"{name}={value!r}" for name, value in {**columns, "task": task}.items() if value]
    if given:
        raise ValueError(
            "`images`, `targets` and `task` are about a CSV file: name it with `labels`. "
            f"Received: {', '.join(given)}, {options.received}"
        )
    files, messages = _files_of_classes(directory, suffixes, options)
    return files, groups_of([str(path) for *_, path in files], group, directory), messages


def _files_of_classes(directory, suffixes, options):
    splits, messages = find_splits(pathlib.Path(directory))
    files: list = []
    empty: set = set()
    for split, root in splits.items():
        classes, more = find_classes(root, lambda path: _is_one(path, suffixes))
        messages += more
        for name, paths in classes.items():
            files += [(split, name, pathlib.Path(path)) for path in paths]
        if split == "train" and options.class_names is None:
            empty = {name for name, paths in classes.items() if not paths}
    listed = ", ".join(suffixes)
    if not files:
        raise ValueError(
            f"There are no {listed} files in the subfolders. Received: {options.received}"
        )
    if empty:
        messages.append(f"Left out, since they contain no {listed} file: {sorted(empty)}.")
    return files, messages


def _named_files(directory, suffixes, options, labels, columns, task):
    """`labelled_files` of a CSV file, of which `columns` names some columns."""
    if task not in (None, "classes"):
        raise ValueError(f"A text or a sound has one class. Received: task={task!r}")
    folder, group = Folder(pathlib.Path(directory).absolute()), columns["group"]
    rows, images, split = named_rows(labels, columns, folder, options.received)
    targets = columns["targets"] or _column_of_classes(rows, {images, split, group}, labels)
    paths, where = places_of(rows, images, split, folder, labels)
    wrong = next((path for path in paths if not path.lower().endswith(suffixes)), None)
    if wrong is not None:
        raise ValueError(
            f"'{labels}' names a file whose suffix is none of {', '.join(suffixes)}. "
            f"Received: '{wrong}'"
        )
    classes = [cell(row, targets) for row in rows]
    doubts = check_classes(classes, targets, labels, task)
    unnamed = folder.unnamed(paths, labels, lambda path: _is_one(path, suffixes))
    files = [
        (part, name, pathlib.Path(path))
        for part, name, path in zip(where, classes, paths, strict=True)
    ]
    # The training has raised the doubts about the classes.
    messages = [*(doubts if options.class_names is None else ()), *unnamed]
    return files, [cell(row, group) or None for row in rows], messages


def _column_of_classes(rows, others, labels):
    place = f"labels='{labels}'"
    found = columns_of_targets(rows, others, place)
    if found[1:]:
        raise ValueError(
            "A text or a sound has one class: name its column with `targets` (--targets "
            f"COLUMN). Received: {place} with the columns {found}"
        )
    return found[0]


def _is_one(path, suffixes):
    return not os.path.basename(path).startswith(".") and path.lower().endswith(suffixes)
