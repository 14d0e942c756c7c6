"""Where the pictures lie, and folders of links to a part of them."""

import contextlib
import dataclasses
import os
import pathlib
import random
import tempfile

# Where the data set's folder has no split, every fifth file of a class is for validation.
_EVERY = 5
_SPLITS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
DATA_SETS = ("clothing", "hymenoptera", "sign_digits", "xray")


@dataclasses.dataclass(frozen=True)
class PictureFolder:
    """A folder with a folder for each split.

    Attributes:
        path: the folder.
        splits: dict from "train", "validation" and "test" (those there are) to paths.
    """

    path: pathlib.Path
    splits: dict


def data_folder():
    """The folder with the pictures and the weights.

    Raises:
        FileNotFoundError: there is none.
    """
    beside = pathlib.Path(__file__).parents[2] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("KERAS_TRANSFER_DATA", beside))
    if not folder.is_dir():
        raise FileNotFoundError(
            "The benchmarks need real pictures and weights. Set KERAS_TRANSFER_DATA to the "
            f"folder that has {', '.join(DATA_SETS)} and weights. Received: '{folder}'"
        )
    return folder


@contextlib.contextmanager
def opened(data_set, limit=None):
    """A context with the `PictureFolder` of a data set.

    A data set without a split, or of which only a part is wanted, is laid out as a tree of
    links in a temporary folder, which is removed at the end.

    Args:
        data_set: the name of a folder in `data_folder()`.
        limit: the largest number of pictures a class and split. Defaults to None, all.
    """
    folder = data_folder() / data_set
    if not folder.is_dir():
        raise FileNotFoundError(f"No such data set. Received: '{folder}'")
    splits = find_splits(folder)
    if splits and limit is None:
        yield PictureFolder(folder, splits)
        return
    with tempfile.TemporaryDirectory() as temporary:
        tree = _split_tree(splits) if splits else _divided_tree(folder)
        link_tree(cut(tree, limit), temporary)
        yield PictureFolder(pathlib.Path(temporary), find_splits(temporary))


def find_splits(folder):
    """Dict from "train", "validation" and "test" to their folders; empty without "train"."""
    folder = pathlib.Path(folder)
    found = {
        split: folder / name
        for split, names in _SPLITS.items()
        for name in names
        if (folder / name).is_dir()
    }
    return found if "train" in found else {}


def classes_of(folder):
    """Dict from the name of each class folder to its files, sorted by name."""
    return {
        entry.name: sorted(path for path in entry.iterdir() if path.is_file())
        for entry in sorted(pathlib.Path(folder).iterdir())
        if entry.is_dir()
    }


def every_fifth(files):
    """Divides sorted files into those to train on and those to validate on.

    Returns:
        `(train, validation)`; the fifth, the tenth and so on are for validation.
    """
    train = [file for place, file in enumerate(files, 1) if place % _EVERY]
    return train, list(files[_EVERY - 1 :: _EVERY])


def cut(tree, limit):
    """The tree, a dict from folders to files, with at most `limit` files a folder."""
    return {folder: files[:limit] for folder, files in tree.items()}


def _split_tree(splits):
    return {
        f"{split}/{name}": files
        for split, folder in splits.items()
        for name, files in classes_of(folder).items()
    }


def _divided_tree(folder):
    tree = {}
    for name, files in classes_of(folder).items():
        tree[f"train/{name}"], tree[f"validation/{name}"] = every_fifth(files)
    return tree


def sample(folder, number):
    """A tree of so many files of a folder of class folders, the same ones each time.

    Raises:
        ValueError: there are not so many.
    """
    files = [(name, file) for name, found in classes_of(folder).items() for file in found]
    if number > len(files):
        raise ValueError(f"There are {len(files)} pictures. Received: number={number}")
    tree = {}
    for name, file in random.Random(0).sample(files, number):
        tree.setdefault(name, []).append(file)
    return tree


def link_tree(tree, directory):
    """Makes folders of symbolic links; `tree` maps folders to files."""
    for folder, files in tree.items():
        place = pathlib.Path(directory) / folder
        place.mkdir(parents=True, exist_ok=True)
        for file in files:
            (place / file.name).symlink_to(file.resolve())


def read_once(folder):
    """Reads every file, so that whoever comes first does not wait for the disk alone."""
    for directory, _, names in os.walk(folder, followlinks=True):
        for name in names:
            pathlib.Path(directory, name).read_bytes()
