"""Files of texts or sounds with their classes: from class folders, or from a CSV file."""

import pathlib

from keras_transfer.data.image_folders import find_splits
from keras_transfer.data.image_tables import (
    Folder,
    column_of_images,
    columns_of_targets,
    places_of,
)
from keras_transfer.data.metadata import cell, csv_rows
from keras_transfer.data.row_splits import files_of_classes
from keras_transfer.data.splitting import groups_of
from keras_transfer.data.targets import check_classes


def labelled_files(directory, suffixes, received, group, labels, images, targets, task):
    """The files with their classes: `(split, class, path)`; their groups; and messages.

    Args:
        directory: the folder.
        suffixes: of the files, in lower case.
        received: the argument with the data, for errors.
        group: as in `audio_folder`, as the other ones.
        labels: the CSV file, or None for class folders.
        images: its column with the files, or None.
        targets: its column with the classes, or None.
        task: as in `text_table`.

    Raises:
        OSError, ValueError: if the CSV file cannot be read, or names no file or no class.
    """
    if labels is None:
        splits, _ = find_splits(pathlib.Path(directory))
        files = files_of_classes(splits, suffixes, received)
        return files, groups_of([str(path) for *_, path in files], group, directory), []
    if task not in (None, "classes"):
        raise ValueError(f"A text or a sound has one class. Received: task={task!r}")
    wanted = {"images": images, "targets": targets, "group": group}
    rows = csv_rows(labels, {name: column for name, column in wanted.items() if column})
    if not rows:
        raise ValueError(f"'{labels}' has no row below its header. Received: {received}")
    images = images or column_of_images(rows[0])
    split = "split" if "split" in rows[0] else None
    place = f"labels='{labels}'"
    found = [targets] if targets else columns_of_targets(rows, {images, split, group}, place)
    if found[1:]:
        raise ValueError(
            "A text or a sound has one class: name its column with `targets` (--targets "
            f"COLUMN). Received: {place} with the columns {found}"
        )
    (targets,) = found
    paths, where = places_of(
        rows, images, split, Folder(pathlib.Path(directory).absolute()), labels
    )
    wrong = next((path for path in paths if not path.lower().endswith(suffixes)), None)
    if wrong is not None:
        raise ValueError(
            f"'{labels}' names a file whose suffix is none of {', '.join(suffixes)}. "
            f"Received: '{wrong}'"
        )
    classes = [cell(row, targets) for row in rows]
    messages = check_classes(classes, targets, labels, task)
    files = [
        (part, name, pathlib.Path(path))
        for part, name, path in zip(where, classes, paths, strict=True)
    ]
    return files, [cell(row, group) or None for row in rows], messages
