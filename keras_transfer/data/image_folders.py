"""Images from a folder of class folders."""

import collections.abc
import os
import pathlib
import re

from keras_transfer.data.file_splits import SPLITS, ByClass, FileOptions
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.pipeline import ReadingOptions
from keras_transfer.data.scanning import find_files, is_image, is_shown_folder

# Words in the names of folders, such as `Training`, `seg_test` or `train2017`.
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
    "testset": "test",
}


def image_folder(
    directory: str | os.PathLike,
    image_size: int | tuple[int, int],
    batch_size: int = 32,
    validation_split: float | None = 0.2,
    seed: int = 0,
    on_unreadable: str = "raise",
    shuffle: bool = True,
    color_mode: str = "rgb",
    reduced_decoding: bool = True,
    *,
    group: collections.abc.Callable | collections.abc.Mapping | None = None,
    exclude: str | os.PathLike | collections.abc.Iterable | None = None,
    value_range: float | None = None,
    fold: tuple[int, int] | None = None,
    class_names: collections.abc.Sequence[str] | None = None,
) -> ImageSplits:
    """Reads images from a folder with one subfolder for each class.

    The class folders are in `directory` itself, or in `directory/train` with `validation` and
    `test` beside it. Names that public data sets use for these are known: `Training`, `val`,
    `seg_test`, `train2017`. If there is no validation folder, a part of each class becomes the
    validation set: the same part for the same seed and images, whatever the order and the names
    of the files. Copies of an image stay on one side: the same picture resized, compressed
    again, mirrored, brightened or cropped by a few percent.

    The function decodes every file once before it returns, so it reports corrupt files now and
    not in the middle of an epoch. It does not read files again that have not changed since the
    last time. It reads JPEG, PNG, BMP, GIF (first frame), WebP, TIFF (first page), PPM and PGM.
    It ignores hidden files, folders that file servers make, and files with other suffixes;
    without a suffix, the content decides. It follows links to folders. It rotates images
    upright by their EXIF orientation and blends transparent pixels with white.

    Args:
        directory: the folder.
        image_size: `(height, width)`, or one integer for both, in pixels; images are
            stretched.
        batch_size: images in a batch. Defaults to 32.
        validation_split: fraction of each class, between 0 and 1, for the validation set if
            there is no validation folder. Defaults to 0.2. None makes no validation set.
        seed: integer for the split and for the order of the training images. Defaults to 0.
        on_unreadable: "raise" (the default) raises an error that lists the unreadable files;
            "skip" leaves them out with a warning.
        shuffle: whether `train` has another order in each epoch. Defaults to True.
        color_mode: "rgb" (the default) or "grayscale".
        reduced_decoding: whether a large JPEG may be decoded at a reduced size, which is faster
            and changes the pixels slightly. Defaults to True.
        group: the person, patient, camera or place that each image comes from; all images of a
            group stay on one side of the split. A function from the absolute path of an image
            to its group, or a mapping from paths, absolute or relative to `directory`; None or
            no entry for an image without a group. Defaults to None, no groups.
        exclude: images to leave out: the `audit.json` of `keras-transfer audit`, whose label
            errors and copies are left out, one of each group of copies stays; or paths,
            absolute or relative to `directory`. Defaults to None.
        value_range: the value that is white in images of more than 8 bits, the same for all of
            them: 4095 for 12 bits in files of 16 bits. Defaults to None: 65535, and images of
            floating-point values are unreadable.
        fold: `(index, number)` for cross-validation: the training and validation images are
            divided into so many folds, and the one with this index becomes the test set; images
            of the test folder are left out. Defaults to None.
        class_names: those of a trained model that these images measure: the labels are indices
            into them, and the images need not have all of them. Defaults to None, those of the
            training images.

    Returns:
        An `ImageSplits`.

    Raises:
        FileNotFoundError, NotADirectoryError: if there is no such folder.
        ValueError: if an argument is invalid, a file is unreadable, fewer than two classes have
            images, a class of the validation or test set has no training images, or there are
            too few groups to divide.

    Example:
        >>> splits = data.image_folder("photos", image_size=160)
        >>> splits.num_images
        {'train': 18, 'validation': 18, 'test': 18}
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
    place = repr(os.fspath(directory))
    files = FileOptions(place, on_unreadable, shuffle, exclude, fold, class_names)
    directory = existing_folder(directory)
    folders, messages = find_splits(directory)
    classes = {}
    for split, folder in folders.items():
        classes[split], more = find_classes(folder)
        messages += more
    if not classes["train"]:
        raise ValueError(
            "Found no class folder: each class needs a subfolder with its images. "
            f"Received: {place}"
        )
    return files.splits(ByClass(classes), directory, options, group, messages)


def find_classes(folder, is_wanted=is_image):
    """The files of each class folder, a dict from name to sorted paths, and messages.

    Subfolders of a class folder belong to the class. A class folder may be empty.

    Args:
        folder: the folder of the class folders.
        is_wanted: which files count, a function of a path. Defaults to images.
    """
    classes = {_checked_name(path): find_files(path, is_wanted) for path in _subfolders(folder)}
    loose = _loose_files(folder, is_wanted)
    if loose and classes:
        return classes, [
            f"Ignored, since they are not in a class folder: {len(loose)} files directly in "
            f"'{folder}'."
        ]
    return classes, []


def existing_folder(directory):
    """The absolute path of a folder, or the error that says what it is instead."""
    path = pathlib.Path(directory).absolute()
    if not path.exists():
        raise FileNotFoundError(f"No such folder. Received: {str(directory)!r}")
    if not path.is_dir():
        raise NotADirectoryError(
            f"This must be a folder, but is a file. Received: {str(directory)!r}"
        )
    return path


def find_splits(directory):
    """Dict from split to folder, and messages; a folder without splits is all "train".

    `train/` counts as a split if it contains class folders and no images: it may also be a
    class of trains.
    """
    splits, others = {}, []
    for folder in _subfolders(directory):
        split = split_of(folder.name)
        folder = _innermost(folder, split)
        if split is None or not _subfolders(folder) or _loose_files(folder):
            others.append(folder.name)
        elif split in splits:
            raise ValueError(
                f"Found two folders for the {split} split, '{splits[split].name}' and "
                f"'{folder.name}': rename or remove one. Received: '{directory}'"
            )
        else:
            splits[split] = folder
    if "train" not in splits:
        if splits and not others:
            raise ValueError(
                f"Found {sorted(folder.name for folder in splits.values())}, but no 'train' "
                f"folder beside them. Received: '{directory}'"
            )
        _check_classes_are_no_splits(directory)
        return {"train": directory}, []
    messages = []
    if others:
        messages.append(
            "Ignored, since they are beside 'train' and are not splits with class folders: "
            f"{', '.join(repr(name) for name in others)}."
        )
    return {split: splits[split] for split in SPLITS if split in splits}, messages


def split_of(name):
    """The split that the name of a folder means, or None."""
    words = re.split("[^a-z]+", name.lower())
    found = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def _innermost(folder, split):
    """The folder with the classes of a split: archives often hold `seg_train/seg_train`."""
    inside = _subfolders(folder)
    while split and len(inside) == 1 and split_of(inside[0].name) == split:
        (folder,) = inside
        inside = _subfolders(folder)
    return folder


def _check_classes_are_no_splits(directory):
    """Raises `ValueError` if all folders hold the same folders, which then are the classes."""
    folders = _subfolders(directory)
    inside = [frozenset(found.name for found in _subfolders(folder)) for folder in folders]
    if len(folders) < 2 or len(set(inside)) > 1 or len(inside[0]) < 2:
        return
    if any(map(_loose_files, folders)):
        return
    raise ValueError(
        f"Each of the folders {[folder.name for folder in folders]} holds the folders "
        f"{sorted(inside[0])}. If these are the classes, name the folders around them 'train', "
        "'validation' and 'test'; otherwise move the images out of them, into the folder of "
        f"their class. Received: '{directory}'"
    )


def _subfolders(directory):
    folders = [entry for entry in pathlib.Path(directory).iterdir() if entry.is_dir()]
    visible = [folder for folder in folders if is_shown_folder(folder.name)]
    return sorted(visible, key=lambda folder: folder.name)


def _checked_name(folder):
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "The name of a class folder must be valid Unicode, since it becomes a label: "
            f"rename the folder. Received: {str(folder)!r}"
        ) from error
    return folder.name


def _loose_files(directory, is_wanted=is_image):
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_file() and is_wanted(entry.path)]
