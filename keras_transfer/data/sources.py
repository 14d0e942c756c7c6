"""The data that a command is given: a folder of class folders, or a CSV file."""

import os
import pathlib

from keras_transfer.data.box_sets import boxes as read_boxes
from keras_transfer.data.image_folders import image_folder
from keras_transfer.data.image_tables import IMAGE_COLUMNS, image_table
from keras_transfer.data.mask_folders import mask_folder
from keras_transfer.data.metadata import column_names, read_groups
from keras_transfer.data.text_folders import text_folder
from keras_transfer.data.text_tables import TEXT_COLUMNS, text_table

_TABLES = (".csv", ".tsv")


def is_table(data):
    """Whether the path is that of a table, by its suffix."""
    return pathlib.PurePath(data).suffix.lower() in _TABLES and not os.path.isdir(data)


def read_source(
    data, image_size, labels=None, images=None, targets=None, task=None, metadata=None,
    group=None, text=None, masks=None, classes=None, ignore_class=None,
    boxes=None, box_format=None, **arguments,
):  # fmt: skip
    """The `ImageSplits` of a folder or of a CSV file.

    Args:
        data: the path of the folder or file.
        image_size: as in `image_folder`, as `arguments`.
        labels: for a folder without class folders, the CSV file with the labels.
        images: as in `image_table`, as the next two.
        targets: the column or the columns of the CSV file with the targets.
        task: what they are.
        metadata: for class folders, a CSV file with a column `path` and a column with the
            groups.
        group: the name of that column; for a CSV file, of its own column with the groups.
        text: the name of the column with the texts, if the data are texts.
        masks: as in `mask_folder`, as the next two; None for images without masks.
        classes: the names of the classes.
        ignore_class: the label of pixels without a class.
        boxes: the file or folder with boxes; None for images without boxes.
        box_format: as in `data.boxes`.
        **arguments: of `image_folder` and `image_table`.
    """
    of_tables = {
        "labels": labels, "images": images, "targets": targets, "task": task, "text": text,
        "metadata": metadata,
    }  # fmt: skip
    of_masks = {"classes": classes, "ignore_class": ignore_class}
    if masks is not None:
        _refuse(of_tables, "Images with masks have", "mask files give the classes", data)
        return mask_folder(data, masks, image_size, classes, ignore_class, **arguments)
    if boxes is not None:
        _refuse(
            {**of_tables, **of_masks},
            "Images with boxes have",
            "their file gives the classes",
            data,
        )
        is_json = os.path.isfile(boxes)
        return read_boxes(
            boxes, image_size, box_format or ("coco" if is_json else "voc"),
            data if is_json else None, **arguments,
        )  # fmt: skip
    _refuse(
        of_masks, "Images without masks have",
        "name the folder of the masks (--masks)", data,
    )  # fmt: skip
    if is_of_texts(data, text):
        task = None if task == "classes" else task
        refused = {"labels": labels, "images": images, "task": task, "metadata": metadata}
        return _read_texts(data, text, targets, group, refused, arguments)
    if labels is not None and is_table(data):
        raise ValueError(
            "`labels` (--labels) is the CSV file about a folder of images: name the folder, or "
            f"one CSV file alone. Received: data={os.fspath(data)!r}, "
            f"labels={os.fspath(labels)!r}"
        )
    if labels is not None or is_table(data):
        if metadata is not None:
            raise ValueError(
                "A CSV file has the groups in one of its own columns: leave `metadata` "
                f"(--metadata) out. Received: metadata={os.fspath(metadata)!r}"
            )
        return image_table(
            data if labels is None else labels, image_size, images, targets, group, task=task,
            directory=None if labels is None else data, **arguments,
        )  # fmt: skip
    given = {"images": images, "targets": targets, "task": task}
    if any(given.values()):
        raise ValueError(
            "`images`, `targets` and `task` are about a CSV file (FILE.csv or --labels "
            "FILE.csv); in a folder, the subfolders are the classes. Received: "
            + ", ".join(f"{name}={value!r}" for name, value in given.items() if value)
            + f", data={os.fspath(data)!r}"
        )
    if (metadata is None) is not (group is None):
        raise ValueError(
            "`metadata` (--metadata) names a file and `group` (--group) its column: give both "
            f"or none. Received: metadata={metadata!r}, group={group!r}"
        )
    groups = None if metadata is None else read_groups(metadata, group, data)
    return image_folder(data, image_size, group=groups, **arguments)


def _refuse(arguments, what, why, data):
    """Raises `ValueError` if arguments are given that have no meaning for the data."""
    given = {name: value for name, value in arguments.items() if value is not None}
    if given:
        received = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise ValueError(
            f"{what} no {', '.join(f'`{name}`' for name in given)}: {why}. "
            f"Received: {received}, data={os.fspath(data)!r}"
        )


def is_of_texts(data, text=None):
    """Whether data are texts: a table with a column of texts, or a folder of `.txt` files.

    Args:
        data: the path of the folder or file.
        text: the name of the column with the texts, if it is known.
    """
    if text is not None:
        return True
    if is_table(data):
        columns = set(column_names(data))
        return bool(columns & set(TEXT_COLUMNS)) and not columns & set(IMAGE_COLUMNS)
    folders = [path for path in pathlib.Path(data).glob("*") if path.is_dir()]
    return any(
        next(folder.glob(pattern), None) is not None
        for folder in folders
        for pattern in ("*.txt", "*/*.txt")
    )


def _read_texts(data, text, targets, group, refused, arguments):
    given = [name for name, value in refused.items() if value is not None]
    if isinstance(targets, (list, tuple)) and len(targets) > 1:
        given.append("several targets")
    if given:
        raise ValueError(
            f"Texts have no {', '.join(map(repr, given))}: a CSV file has the texts and their "
            f"classes. Received: data={os.fspath(data)!r}"
        )
    names = ("batch_size", "validation_split", "seed", "shuffle", "fold")
    shared = {name: arguments[name] for name in names if name in arguments}
    if is_table(data):
        (label,) = targets if isinstance(targets, (list, tuple)) else [targets]
        return text_table(data, text, label, group=group, **shared)
    return text_folder(data, **shared)


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


def read_divided(data, image_size, settings, labels=None, **arguments):
    """The `ImageSplits` of data that were divided before, in the same way.

    Args:
        data: the path of a folder or a CSV file.
        image_size: as in `image_folder`, as `arguments`.
        settings: those of a run with what `division_of` gave. They may come from elsewhere, so
            no file that they name is read.
        labels: as in `read_source`.
        **arguments: of `image_folder` and `image_table`.
    """
    excluded, groups = settings.get("excluded"), settings.get("groups")
    if isinstance(excluded, list):
        arguments["exclude"] = [path for path in excluded if isinstance(path, str)]
    fold = settings.get("fold")
    if isinstance(fold, list) and len(fold) == 2 and all(type(one) is int for one in fold):
        arguments["fold"] = tuple(fold)
    if "masks" in arguments or "boxes" in arguments:
        return read_source(data, image_size, **arguments)
    text = settings.get("text")
    if is_of_texts(data, text):
        return read_source(
            data, None, targets=settings.get("targets"), group=settings.get("group"), text=text,
            **arguments,
        )  # fmt: skip
    if labels is not None or is_table(data):
        columns = {name: settings.get(name) for name in ("images", "targets", "task", "group")}
        return read_source(data, image_size, labels, **columns, **arguments)
    return image_folder(
        data, image_size, group=groups if isinstance(groups, dict) else None, **arguments
    )
