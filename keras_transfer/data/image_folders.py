"""Pictures from a folder of class folders."""

import os
import pathlib
import warnings

from keras_transfer.data.checks import check_splits
from keras_transfer.data.data_warning import DataWarning
from keras_transfer.data.decoding import check_image_size
from keras_transfer.data.folder_layout import find_classes, find_splits
from keras_transfer.data.image_source import ImageSource
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.picture_files import examples_of, loader
from keras_transfer.data.pipeline import (
    batched,
    channels_of,
    check_batches,
    check_validation_split,
    fingerprint,
    loaded_from,
    mixed_order,
    shuffled,
)
from keras_transfer.data.scanning import scan
from keras_transfer.data.splitting import stratified_split

_MOST_LISTED = 20


def image_folder(
    directory,
    image_size,
    batch_size=32,
    validation_split=0.2,
    seed=0,
    on_unreadable="raise",
    shuffle=True,
    color_mode="rgb",
    reduced_decoding=True,
):
    """Reads pictures from a folder that has one subfolder for each class.

    The class folders lie in `directory` itself, or in `directory/train` with `validation`
    (or `val`, `valid`) and `test` beside it. Where there is no validation folder, a part of
    each class is set aside: the same part for the same seed and pictures, whatever the
    order or the names of the files.

    Every file is decoded once before anything is returned, so that a damaged one is named
    now and not met in the middle of an epoch; one that has not changed since the last time is
    not read again for that. JPEG, PNG, BMP, GIF (first frame) and WebP are read; hidden files
    and files that are no pictures are passed over. Pictures are turned upright by their EXIF
    orientation, transparent pixels are laid on white.

    Args:
        directory: the folder.
        image_size: `(height, width)`, or one integer for both; pictures are stretched.
        batch_size: pictures in a batch.
        validation_split: the part of each class to set aside, between 0 and 1, where there
            is no validation folder. None sets nothing aside.
        seed: integer for the split and for the order of the training pictures.
        on_unreadable: "raise" stops with a list of the files that cannot be read; "skip"
            leaves them out and warns.
        shuffle: whether `train` comes in another order in each epoch.
        color_mode: "rgb" or "grayscale".
        reduced_decoding: whether a large JPEG may be decoded at a part of its size, as
            `decode_and_resize` does it: faster, and the pixels differ a little.

    Returns:
        An `ImageSplits`.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
        ValueError: an argument is wrong; a file cannot be read; there are fewer than two
            classes with pictures; a class to validate or test on has no training pictures.

    Example:
        >>> from keras_transfer import data
        >>> splits = data.image_folder("photos", image_size=160)  # doctest: +SKIP
        >>> splits.class_names  # doctest: +SKIP
        ('ants', 'bees')
    """
    image_size = check_image_size(image_size)
    channels = channels_of(color_mode)
    check_batches(batch_size, seed)
    check_validation_split(validation_split)
    if on_unreadable not in ("raise", "skip"):
        raise ValueError(
            "`on_unreadable` must be 'raise' or 'skip'. "
            f"Received: on_unreadable={on_unreadable!r}"
        )
    directory = _existing(directory)

    folders, sentences = find_splits(directory)
    files, unreadable, more = _scan_folders(folders, directory, on_unreadable)
    sentences += more
    class_names, more = _class_names(files, directory)
    sentences += more
    labels, files = _flatten(files, class_names)
    if "validation" not in files and validation_split is not None:
        _set_aside(labels, files, validation_split, seed)
    digests = {split: [file.digest for file in files[split]] for split in files}
    places = {
        split: [os.path.relpath(file.path, directory) for file in files[split]]
        for split in files
    }
    sentences += check_splits(labels, digests, places, class_names)
    for sentence in sentences:
        warnings.warn(sentence, DataWarning, stacklevel=2)

    all_native = all(file.native for found in files.values() for file in found)
    load = loader(image_size, channels, all_native, reduced_decoding)

    fingerprints = {
        split: fingerprint(labels[split], digests[split], image_size, channels)
        + ("-reduced" if reduced_decoding else "")
        for split in files
    }

    def dataset(split, shuffle=False):
        if split not in files:
            return None
        found, targets = files[split], labels[split]
        order = mixed_order(len(found)) if shuffle else range(len(found))

        def examples(start=0):
            kept = order[start:]
            return examples_of([found[i] for i in kept], [targets[i] for i in kept])

        source = ImageSource(
            loaded_from(examples, load),
            num_images=len(found),
            fingerprint=fingerprints[split] + ("-mixed" if shuffle else ""),
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )
        shown = shuffled(examples(), len(found), seed) if shuffle else examples()
        return batched(shown, load, class_names, source, reduced_decoding)

    return ImageSplits(
        train=dataset("train", shuffle),
        validation=dataset("validation"),
        test=dataset("test"),
        train_in_order=dataset("train"),
        class_names=class_names,
        labels={split: tuple(labels[split]) for split in files},
        paths={split: tuple(file.path for file in files[split]) for split in files},
        fingerprints=fingerprints,
        warnings=tuple(sentences),
        unreadable=tuple(unreadable),
    )


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


def _scan_folders(folders, directory, on_unreadable):
    """The readable files by split and class, the unreadable ones, and what to warn of."""
    classes, sentences = {}, []
    for split, folder in folders.items():
        classes[split], more = find_classes(folder)
        sentences += more
    if not classes["train"]:
        raise ValueError(
            "Found no class folder: each class needs a subfolder with its pictures. "
            f"Received: directory='{directory}'"
        )
    paths = [path for split in classes.values() for found in split.values() for path in found]
    scanned = {file.path: file for file in scan(paths)}
    unreadable = [(file.path, file.reason) for file in scanned.values() if file.reason]
    if unreadable and on_unreadable == "raise":
        raise ValueError(_list_unreadable(unreadable, len(paths), directory))
    if unreadable:
        sentences.append(
            f"Skipped {len(unreadable)} of {len(paths)} pictures that cannot be read; "
            "`unreadable` lists them."
        )
    files = {
        split: {
            name: [scanned[path] for path in found if not scanned[path].reason]
            for name, found in by_class.items()
        }
        for split, by_class in classes.items()
    }
    return files, unreadable, sentences


def _list_unreadable(unreadable, num_files, directory):
    lines = [
        f"  {os.path.relpath(path, directory)}: {reason}"
        for path, reason in unreadable[:_MOST_LISTED]
    ]
    if len(unreadable) > _MOST_LISTED:
        lines.append(f"  and {len(unreadable) - _MOST_LISTED} more")
    return (
        f"{len(unreadable)} of {num_files} pictures cannot be read:\n"
        + "\n".join(lines)
        + "\nRepair or remove them, or pass `on_unreadable='skip'` (--on-unreadable skip) to "
        "go on without them. "
        f"Received: directory='{directory}'"
    )


def _class_names(files, directory):
    """The classes that have pictures to train on, and a warning about those without."""
    names = tuple(sorted(name for name, found in files["train"].items() if found))
    empty = sorted(set(files["train"]) - set(names))
    for split, by_class in files.items():
        unknown = sorted(
            name for name, found in by_class.items() if found and name not in names
        )
        if unknown:
            raise ValueError(
                f"The {split} split has classes without a picture to train on, which no model "
                f"could predict: {unknown}. Classes to train on: {list(names)}. "
                f"Received: directory='{directory}'"
            )
    if len(names) < 2:
        others = f", and none for {empty}" if empty else ""
        raise ValueError(
            "At least two classes with pictures are needed. Found pictures for "
            f"{list(names)} alone{others}. Received: directory='{directory}'"
        )
    listed = ", ".join(f"'{name}'" for name in empty)
    return names, [f"Left out, since they hold no picture: {listed}."] if empty else []


def _flatten(files, class_names):
    """Dicts from split to labels and to files, class by class."""
    labels, flat = {}, {}
    for split, by_class in files.items():
        rows = [
            (label, file)
            for label, name in enumerate(class_names)
            for file in by_class.get(name, [])
        ]
        if rows:
            labels[split] = [label for label, _ in rows]
            flat[split] = [file for _, file in rows]
    return labels, flat


def _set_aside(labels, files, validation_split, seed):
    """Moves a part of the training pictures into a validation split, in place."""
    digests = [file.digest for file in files["train"]]
    parts = stratified_split(labels["train"], digests, validation_split, seed)
    train_labels, train_files = labels["train"], files["train"]
    for split, part in zip(("train", "validation"), parts, strict=True):
        if part:
            labels[split] = [train_labels[index] for index in part]
            files[split] = [train_files[index] for index in part]
