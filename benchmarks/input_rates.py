"""Pictures per second from files into batches, before any network."""

import os
import tempfile
from unittest import mock

import keras

from benchmarks import child, picture_folders, timing
from keras_transfer import data


def measure(data_set, image_size, rounds, limit=None):
    """Times one pass over the training pictures of each, and making the data sets.

    The library decodes every file of all splits when the data set is made for the first time,
    to find damaged ones.
    """
    with picture_folders.opened(data_set, limit) as folder:
        splits = _library(folder, image_size)
        plain = _keras(folder, image_size)
        contestants = {
            "image_folder": lambda: _pass(splits.train_in_order),
            "image_dataset_from_directory": lambda: _pass(plain),
            "image_folder, making it": lambda: _make_first(folder, image_size),
            "image_folder, making it again": lambda: _make(_library, folder, image_size),
            "image_dataset_from_directory, making it": lambda: _make(
                _keras, folder, image_size
            ),
        }
        _pass(splits.train_in_order)  # reads the files into memory
        return timing.alternate(contestants, rounds)


def _library(folder, image_size):
    return data.image_folder(folder.path, image_size=image_size)


def _keras(folder, image_size):
    return keras.utils.image_dataset_from_directory(
        folder.splits["train"],
        image_size=(image_size, image_size),
        batch_size=32,
        shuffle=False,
        verbose=False,
    )


def _pass(dataset):
    return {"pictures": sum(len(images) for images, _ in dataset)}


def _make(read, folder, image_size):
    read(folder, image_size)


def _make_first(folder, image_size):
    """As if the library had never seen these files."""
    with (
        tempfile.TemporaryDirectory() as empty,
        mock.patch.dict(os.environ, KERAS_TRANSFER_CACHE=empty),
    ):
        _make(_library, folder, image_size)


if __name__ == "__main__":
    child.main(measure)
