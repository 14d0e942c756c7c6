"""Images without labels, from a folder of any depth."""

import hashlib
import os

import numpy as np

from keras_transfer.data.file_splits import FileOptions
from keras_transfer.data.image_files import examples_of, make_loader
from keras_transfer.data.labeled_dataset import ImageSource, LabeledDataset, without_autotuning
from keras_transfer.data.pipeline import ReadingOptions
from keras_transfer.data.scanning import find_images, scan

_SHOWN = 3


def unlabelled_folder(
    directory: str | os.PathLike,
    image_size: int | tuple[int, int],
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    color_mode: str = "rgb",
    on_unreadable: str = "raise",
    value_range: float | None = None,
) -> LabeledDataset:
    """Reads all images of a folder and its subfolders, whatever these are called.

    Use it for the images of a target domain or of an earlier task: `fine_tune(..., target=...)`
    and `fine_tune(..., memory=...)`. The contents of the files decide the order, so that
    folders with the names of classes tell nothing.

    Args:
        directory: the folder.
        image_size: height and width in pixels, or a pair of them.
        batch_size: images in a batch. Defaults to 32.
        shuffle: whether the order changes in each epoch. Defaults to True.
        seed: of the order. Defaults to 0.
        color_mode: "rgb" (the default) or "grayscale".
        on_unreadable: "raise" (the default) for an error that lists unreadable images; "skip"
            leaves them out.
        value_range: as in `image_folder`.

    Returns:
        A `LabeledDataset` of batches of float32 images in [0, 255], without class names.

    Raises:
        FileNotFoundError: if the folder does not exist or holds no image.
        ValueError: if an image cannot be read.

    Example:
        >>> data.unlabelled_folder("photos", image_size=32).num_images
        54
    """
    options = ReadingOptions(image_size, batch_size, None, seed, color_mode, True, value_range)
    place = repr(os.fspath(directory))
    FileOptions(place, on_unreadable, shuffle, None)  # raises an error for another word
    paths = find_images(directory) if os.path.isdir(directory) else []
    if not paths:
        raise FileNotFoundError(f"The folder must exist and hold images. Received: {place}")
    files = scan(paths, value_range)
    unreadable = [file for file in files if file.reason is not None]
    if unreadable and (on_unreadable == "raise" or len(unreadable) == len(files)):
        shown = "; ".join(f"{file.path} ({file.reason})" for file in unreadable[:_SHOWN])
        raise ValueError(
            f"{len(unreadable)} of {len(files)} images cannot be read: {shown}. Remove them, "
            "or skip unreadable images."
        )
    files = sorted((file for file in files if file.reason is None), key=lambda one: one.digest)
    load = make_loader(options.image_size, options.channels, files, True, value_range)

    def encoded(start=0):
        return examples_of(files[start:], np.zeros(len(files) - start, "int32"))

    def loaded(examples):
        images = examples.map(load, num_parallel_calls=os.cpu_count(), deterministic=True)
        return images.map(lambda image, label: image)

    content = [options.image_size, color_mode, value_range, [file.digest for file in files]]
    source = ImageSource(
        lambda start=0: loaded(encoded(start)), len(files),
        hashlib.sha256(repr(content).encode()).hexdigest(), batch_size, shuffle, seed,
        name=os.fspath(directory),
    )  # fmt: skip
    found = encoded()
    if shuffle:
        found = found.shuffle(len(files), seed, reshuffle_each_iteration=True)
    found = without_autotuning(loaded(found).batch(batch_size).prefetch(2))
    return LabeledDataset(
        found, (), len(files), source, reduced_decoding=True, value_range=value_range
    )
