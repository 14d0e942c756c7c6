"""The folder of the data sets, and folders of links to a part of one."""

import contextlib
import dataclasses
import os
import pathlib
import tempfile

# Where the data set's folder has no split, every fifth file of a class is for validation.
_EVERY = 5
_SPLITS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
DATA_SETS = ("hymenoptera", "clothing", "sign_digits", "xray")


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """A folder with a folder for each split.

    Attributes:
        path: the folder.
        splits: dict from those of "train", "validation" and "test" that exist to paths.
    """

    path: pathlib.Path
    splits: dict


def data_folder():
    """The folder with the images and the weights; `FileNotFoundError` if there is none."""
    beside = pathlib.Path(__file__).parents[2] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("KERAS_TRANSFER_DATA", beside))
    if not folder.is_dir():
        raise FileNotFoundError(
            "The benchmarks need real images and weights. Set KERAS_TRANSFER_DATA to the "
            f"folder that has {', '.join(DATA_SETS)} and weights. Received: '{folder}'"
        )
    return folder


@contextlib.contextmanager
def opened(data_set, limit=None):
    """A context with the `ImageFolder` of a data set.

    A data set without a split, or of which only a part is wanted, becomes a tree of links in a
    temporary folder. `limit` is the largest number of images of a class in a split.
    """
    folder = data_folder() / data_set
    if not folder.is_dir():
        raise FileNotFoundError(f"No such data set. Received: '{folder}'")
    splits = _find_splits(folder)
    if splits and limit is None:
        yield ImageFolder(folder, splits)
        return
    tree = {}
    for split, found in (splits or {"": folder}).items():
        for name, files in classes_of(found).items():
            if split:
                tree[f"{split}/{name}"] = files
            else:
                kept = [file for place, file in enumerate(files, 1) if place % _EVERY]
                tree[f"train/{name}"] = kept
                tree[f"validation/{name}"] = files[_EVERY - 1 :: _EVERY]
    with tempfile.TemporaryDirectory() as temporary:
        for name, files in tree.items():
            place = pathlib.Path(temporary, name)
            place.mkdir(parents=True)
            for file in files[:limit]:
                (place / file.name).symlink_to(file.resolve())
        yield ImageFolder(pathlib.Path(temporary), _find_splits(temporary))


def classes_of(folder):
    """Dict from the name of each class folder to its files, sorted by name."""
    return {
        entry.name: sorted(path for path in entry.iterdir() if path.is_file())
        for entry in sorted(pathlib.Path(folder).iterdir())
        if entry.is_dir()
    }


def _find_splits(folder):
    found = {
        split: pathlib.Path(folder) / name
        for split, names in _SPLITS.items()
        for name in names
        if pathlib.Path(folder, name).is_dir()
    }
    return found if "train" in found else {}


def read_once(folder):
    """Reads every file, so that the first contestant does not wait for the disk alone."""
    for directory, _, names in os.walk(folder, followlinks=True):
        for name in names:
            pathlib.Path(directory, name).read_bytes()
