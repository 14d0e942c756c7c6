"""Images from a folder of class folders."""

import hashlib
import os
import pathlib
import re

from keras_transfer.data.image_files import examples_of, make_loader
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.pipeline import ReadingOptions, mixed_order
from keras_transfer.data.scanning import find_images, is_image, is_shown_folder, scan

_SPLITS = ("train", "validation", "test")
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
_MOST_LISTED = 20


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
) -> ImageSplits:
    """Reads images from a folder with one subfolder for each class.

    The class folders are in `directory` itself, or in `directory/train` with `validation` and
    `test` beside it. Names that public data sets use for these are known: `Training`, `val`,
    `seg_test`, `train2017`. If there is no validation folder, a part of each class becomes the
    validation set: the same part for the same seed and images, whatever the order and the names
    of the files.

    The function decodes every file once before it returns, so it reports corrupt files now and
    not in the middle of an epoch. It does not read files again that have not changed since the
    last time. It reads JPEG, PNG, BMP, GIF (first frame), WebP and PPM (PGM). It ignores hidden
    files, folders that file servers make, and files with other suffixes; without a suffix, the
    content decides. It follows links to folders. It rotates images upright by their EXIF
    orientation and blends transparent pixels with white.

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

    Returns:
        An `ImageSplits`.

    Raises:
        FileNotFoundError, NotADirectoryError: if there is no such folder.
        ValueError: if an argument is invalid, a file is unreadable, fewer than two classes have
            images, or a class of the validation or test set has no training images.

    Example:
        >>> splits = data.image_folder("photos", image_size=160)
        >>> splits.num_images
        {'train': 18, 'validation': 18, 'test': 18}
    """
    options = ReadingOptions(
        image_size, batch_size, validation_split, seed, color_mode, reduced_decoding
    )
    if on_unreadable not in ("raise", "skip"):
        raise ValueError(
            "`on_unreadable` must be 'raise' or 'skip'. "
            f"Received: on_unreadable={on_unreadable!r}"
        )
    directory = _existing(directory)

    folders, messages = _find_splits(directory)
    by_class, unreadable, more = _scan_folders(folders, directory, on_unreadable)
    messages += more
    class_names, more = _class_names(by_class, directory)
    messages += more
    rows = _split_rows(by_class, class_names, validation_split, seed)
    labels = {split: [label for label, _ in found] for split, found in rows.items()}
    files = {split: [file for _, file in found] for split, found in rows.items()}
    digests = {split: [file.digest for file in found] for split, found in files.items()}
    places = {
        split: [os.path.relpath(file.path, directory) for file in found]
        for split, found in files.items()
    }
    every_file = [file for split in files.values() for file in split]

    def examples(split, is_mixed, start):
        number = len(files[split])
        kept = (mixed_order(number) if is_mixed else range(number))[start:]
        return examples_of([files[split][i] for i in kept], [labels[split][i] for i in kept])

    return options.splits(
        class_names,
        labels,
        digests,
        places,
        examples,
        make_loader(options.image_size, options.channels, every_file, reduced_decoding),
        shuffle_buffer=len(every_file) if shuffle else 0,
        mixes=True,
        messages=messages,
        paths={split: tuple(file.path for file in files[split]) for split in files},
        unreadable=tuple(unreadable),
    )


def stratified_split(labels, digests, fraction, seed):
    """Sets aside `fraction` of each class, at least one image and never all of them.

    The draw hashes the seed with the contents of each image. It depends neither on names nor on
    the file system, an added image moves hardly any other, and copies of an image (equal
    digests) stay in one split. Returns two ascending lists of indices.

    Example:
        >>> stratified_split([0, 0, 0, 1], ["a", "b", "c", "d"], 0.4, seed=0)
        ([0, 1, 3], [2])
    """
    members = {}
    for index, (label, digest) in enumerate(zip(labels, digests, strict=True)):
        members.setdefault(label, {}).setdefault(digest, []).append(index)
    set_aside = set()
    for by_digest in members.values():
        drawn = sorted(
            by_digest, key=lambda digest: hashlib.sha256(f"{seed}/{digest}".encode()).digest()
        )
        count = min(max(1, round(fraction * len(drawn))), len(drawn) - 1)
        for digest in drawn[:count]:
            set_aside.update(by_digest[digest])
    kept = [index for index in range(len(labels)) if index not in set_aside]
    return kept, sorted(set_aside)


def find_classes(folder):
    """The images of each class folder, a dict from name to sorted paths, and messages.

    Subfolders of a class folder belong to the class. A class folder may be empty.
    """
    classes = {_checked_name(path): find_images(path) for path in _subfolders(folder)}
    loose = _loose_images(folder)
    if loose and classes:
        return classes, [
            f"Ignored, since they are not in a class folder: {len(loose)} images directly in "
            f"'{folder}'."
        ]
    return classes, []


def _existing(directory):
    path = pathlib.Path(directory).absolute()
    if not path.exists():
        raise FileNotFoundError(f"No such folder. Received: directory={str(directory)!r}")
    if not path.is_dir():
        raise NotADirectoryError(
            "`directory` must be a folder with one subfolder for each class, but is a file. "
            f"Received: directory={str(directory)!r}"
        )
    return path


def _find_splits(directory):
    """Dict from split to folder, and messages; a folder without splits is all "train".

    `train/` counts as a split if it contains class folders and no images: it may also be a
    class of trains.
    """
    splits, others = {}, []
    for folder in _subfolders(directory):
        split = _split_of(folder.name)
        folder = _innermost(folder, split)
        if split is None or not _subfolders(folder) or _loose_images(folder):
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
                f"Found {sorted(folder.name for folder in splits.values())}, but no 'train' "
                f"folder beside them. Received: directory='{directory}'"
            )
        _check_classes_are_no_splits(directory)
        return {"train": directory}, []
    messages = []
    if others:
        messages.append(
            "Ignored, since they are beside 'train' and are not splits with class folders: "
            f"{', '.join(repr(name) for name in others)}."
        )
    return {split: splits[split] for split in _SPLITS if split in splits}, messages


def _split_of(name):
    """The split that the name of a folder means, or None."""
    words = re.split("[^a-z]+", name.lower())
    found = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def _innermost(folder, split):
    """The folder with the classes of a split: archives often hold `seg_train/seg_train`."""
    inside = _subfolders(folder)
    while split and len(inside) == 1 and _split_of(inside[0].name) == split:
        (folder,) = inside
        inside = _subfolders(folder)
    return folder


def _check_classes_are_no_splits(directory):
    """Raises `ValueError` if all folders hold the same folders, which then are the classes."""
    folders = _subfolders(directory)
    inside = [frozenset(found.name for found in _subfolders(folder)) for folder in folders]
    if len(folders) < 2 or len(set(inside)) > 1 or len(inside[0]) < 2:
        return
    if any(map(_loose_images, folders)):
        return
    raise ValueError(
        f"Each of the folders {[folder.name for folder in folders]} holds the folders "
        f"{sorted(inside[0])}. If these are the classes, name the folders around them 'train', "
        "'validation' and 'test'; otherwise move the images out of them, into the folder of "
        f"their class. Received: directory='{directory}'"
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


def _loose_images(directory):
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_file() and is_image(entry.path)]


def _scan_folders(folders, directory, on_unreadable):
    """The readable files by split and class, the unreadable ones, and messages."""
    classes, messages = {}, []
    for split, folder in folders.items():
        classes[split], more = find_classes(folder)
        messages += more
    if not classes["train"]:
        raise ValueError(
            "Found no class folder: each class needs a subfolder with its images. "
            f"Received: directory='{directory}'"
        )
    paths = [path for split in classes.values() for found in split.values() for path in found]
    scanned = {file.path: file for file in scan(paths)}
    unreadable = [(file.path, file.reason) for file in scanned.values() if file.reason]
    if unreadable and on_unreadable == "raise":
        raise ValueError(_list_unreadable(unreadable, len(paths), directory))
    if unreadable:
        messages.append(
            f"Skipped {len(unreadable)} of {len(paths)} images that cannot be read; "
            "`unreadable` lists them."
        )
    files = {
        split: {
            name: [scanned[path] for path in found if not scanned[path].reason]
            for name, found in by_class.items()
        }
        for split, by_class in classes.items()
    }
    return files, unreadable, messages


def _list_unreadable(unreadable, num_files, directory):
    lines = [
        f"  {os.path.relpath(path, directory)}: {reason}"
        for path, reason in unreadable[:_MOST_LISTED]
    ]
    if len(unreadable) > _MOST_LISTED:
        lines.append(f"  and {len(unreadable) - _MOST_LISTED} more")
    return (
        f"{len(unreadable)} of {num_files} images cannot be read:\n"
        + "\n".join(lines)
        + "\nRepair or remove them, or pass `on_unreadable='skip'` (--on-unreadable skip) to "
        f"leave them out. Received: directory='{directory}'"
    )


def _class_names(files, directory):
    """The names of the classes with training images, and a message about the empty ones."""
    names = tuple(sorted(name for name, found in files["train"].items() if found))
    empty = sorted(set(files["train"]) - set(names))
    for split, by_class in files.items():
        unknown = sorted(
            name for name, found in by_class.items() if found and name not in names
        )
        if unknown:
            raise ValueError(
                f"The {split} split has classes without training images, which no model could "
                f"predict: {unknown}. Classes with training images: {list(names)}. "
                f"Received: directory='{directory}'"
            )
    if len(names) < 2:
        others = f", and none for {empty}" if empty else ""
        raise ValueError(
            "At least two classes with images are needed. Found images for "
            f"{list(names)} alone{others}. Received: directory='{directory}'"
        )
    listed = ", ".join(f"'{name}'" for name in empty)
    return names, [f"Left out, since they contain no image: {listed}."] if empty else []


def _split_rows(by_class, class_names, validation_split, seed):
    """Dict from split to `(label, file)` of its images, class by class."""
    rows = {
        split: [
            (label, file)
            for label, name in enumerate(class_names)
            for file in found.get(name, [])
        ]
        for split, found in by_class.items()
    }
    rows = {split: found for split, found in rows.items() if found}
    if "validation" not in rows and validation_split is not None:
        train = rows["train"]
        labels, files = zip(*train, strict=True)
        digests = [file.digest for file in files]
        kept, moved = stratified_split(labels, digests, validation_split, seed)
        rows["train"] = [train[index] for index in kept]
        if moved:
            rows["validation"] = [train[index] for index in moved]
    return rows
