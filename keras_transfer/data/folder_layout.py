"""Where in a folder the splits and the classes lie."""

import os
import pathlib

from keras_transfer.data.scanning import find_pictures, is_picture

_SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def find_splits(directory):
    """The folders of the splits: dict from "train", "validation", "test" to a path.

    A folder without a division is all "train". `train/` counts as a split when class
    folders lie in it, and not pictures: it may also be the class of the railway.

    Args:
        directory: `pathlib.Path` of an existing folder.

    Returns:
        `(splits, sentences)`, the latter to warn with.
    """
    splits, others = {}, []
    for folder in _subfolders(directory):
        split = _SPLIT_FOLDERS.get(folder.name.lower())
        if split is None or not _subfolders(folder) or _loose_pictures(folder):
            others.append(folder.name)
        elif split in splits:
            raise ValueError(
                f"Found two folders for the {split} split, '{splits[split].name}' and "
                f"'{folder.name}': rename or remove one. Received: directory='{directory}'"
            )
        else:
            splits[split] = folder
    if "train" not in splits:
        if splits and not others:
            raise ValueError(
                f"Found {sorted(folder.name for folder in splits.values())} but no 'train' "
                f"folder beside. Received: directory='{directory}'"
            )
        return {"train": directory}, []
    sentences = []
    if others:
        sentences.append(
            f"Not used, since they lie beside 'train' and hold no class folders of a split: "
            f"{', '.join(repr(name) for name in others)}."
        )
    order = ("train", "validation", "test")
    return {split: splits[split] for split in order if split in splits}, sentences


def find_classes(folder):
    """The pictures of each class folder: dict from the class's name to sorted paths.

    Subfolders of a class folder belong to the class. A class folder may be empty.

    Returns:
        `(classes, sentences)`, the latter to warn with.

    Raises:
        ValueError: if a name is not valid Unicode.
    """
    classes = {_check_name(path): find_pictures(path) for path in _subfolders(folder)}
    loose = _loose_pictures(folder)
    if loose and classes:
        return classes, [
            f"Not used, since no class folder holds them: {len(loose)} pictures directly in "
            f"'{folder}'."
        ]
    return classes, []


def _subfolders(directory):
    folders = [entry for entry in pathlib.Path(directory).iterdir() if entry.is_dir()]
    visible = [
        folder
        for folder in folders
        if not folder.name.startswith(".") and folder.name != "__MACOSX"
    ]
    return sorted(visible, key=lambda folder: folder.name)


def _check_name(folder):
    """A label is text, in a file of JSON as in an exported model."""
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "The name of a class folder must be valid Unicode, since it becomes a label: "
            f"rename the folder. Received: {str(folder)!r}"
        ) from error
    return folder.name


def _loose_pictures(directory):
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_file() and is_picture(entry.name)]
