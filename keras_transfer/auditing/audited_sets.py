"""The sets of an audit: images with features, statistics and labels in the same order."""

import dataclasses
import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_transfer.data.image_files import read_images
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.pipeline import mixed_order
from keras_transfer.data.scanning import find_images
from keras_transfer.data.thumbnails import SIDE
from keras_transfer.features.pooled import check_order, pooled_features, unaugmented

NEW = "new"


@dataclasses.dataclass(frozen=True, eq=False)
class AuditedSet:
    """Images and their properties, row by row in the same order.

    Attributes:
        name: "train", "validation", "test" or "new".
        dataset: a `tf.data.Dataset` of the images.
        images: the paths of the files; of images without files, small grey arrays.
        features: float32 array of shape `(images, channels)`.
        statistics: see `image_statistics`.
        labels: integers of shape `(images,)`, or None.
        class_names: the names of the classes, or None.
        unreadable: tuple of `(path, reason)`, the files that were left out.
    """

    name: str
    dataset: tf.data.Dataset
    images: tuple
    features: np.ndarray
    statistics: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple | None = None
    unreadable: tuple = ()

    @property
    def paths(self):
        """The paths of the files, or None for images without files."""
        return self.images if isinstance(self.images[0], str) else None


def audited_sets(given, backbone, cache):
    """A list of `AuditedSet`, train first, new last.

    `given` maps the names of the sets to what the user passed to `audit`.
    """
    given = dict(given)
    train, new = given["train"], given.pop(NEW)
    is_folder = isinstance(new, (str, os.PathLike))
    if is_folder:  # before anything is computed
        if not pathlib.Path(new).is_dir():
            raise FileNotFoundError(f"No such folder. Received: new={os.fspath(new)!r}")
        if not find_images(new):
            raise ValueError(f"The folder contains no image. Received: new={os.fspath(new)!r}")
    if isinstance(train, ImageSplits):
        if given["validation"] is not None or given["test"] is not None:
            raise ValueError(
                "An `ImageSplits` has its own splits: leave `validation` and `test` out. "
                f"Received: validation={given['validation']!r}, test={given['test']!r}"
            )
        sets = [_of_split(train, split, backbone, cache) for split in train.labels]
    else:
        passed = {name: dataset for name, dataset in given.items() if dataset is not None}
        sets = [_of_dataset(name, dataset, backbone, cache) for name, dataset in passed.items()]
    for audited in sets:
        if audited.labels is None:
            raise ValueError(f"`{audited.name}` must have labels. Received: images alone")
        if audited.class_names != sets[0].class_names:
            raise ValueError(
                "All splits must have the same classes. Received: "
                f"{sets[0].class_names} and {audited.class_names} ({audited.name})"
            )
    if is_folder:
        value_range = getattr(sets[0].dataset, "value_range", None)
        sets.append(_of_folder(new, backbone, cache, value_range))
    elif new is not None:
        sets.append(_of_dataset(NEW, new, backbone, cache))
    return sets


def features_in_order(splits, split, backbone, cache=None):
    """The features of a split, in the order of `splits.labels` and `splits.paths`.

    The cache holds those of the training images in shuffled order, as `fine_tune` needs them.
    """
    found = pooled_features(backbone, getattr(splits, split), cache)
    rows, labels = found.features, found.labels
    plain = unaugmented(getattr(splits, split))
    if plain.source.fingerprint != splits.fingerprints[split]:
        order = np.argsort(mixed_order(len(rows)))
        rows, labels = rows[order], labels[order]
    if not np.array_equal(labels, splits.labels[split]):
        raise ValueError(
            f"The images of the {split} split are not in the order of its labels: make the "
            "`ImageSplits` with `image_folder` or `from_tfds`. Received: labels that differ"
        )
    return rows


def image_statistics(dataset):
    """Statistics of how each image was taken, whatever it shows: `(images, 10)`.

    Means of red, green and blue; standard deviation, 5th and 95th percentile of grey; mean
    range of the colours; red minus blue; log mean absolute difference of neighbours (sharpness)
    and log median absolute second difference (noise). Features of a trained network are nearly
    invariant to brightness and camera; these are not.
    """
    rows = [np.zeros((0, 10))]
    for element in dataset:
        images = np.asarray(_images_of(element), "float64")
        colours = images if images.shape[-1] == 3 else np.repeat(images[..., :1], 3, axis=-1)
        grey = colours.mean(axis=-1)
        flat = grey.reshape(len(grey), -1)
        means = colours.mean(axis=(1, 2))
        colour_range = (colours.max(axis=-1) - colours.min(axis=-1)).mean(axis=(1, 2))
        sharpness = np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))
        second = np.abs(np.diff(grey, 2, axis=2)).reshape(len(grey), -1)
        columns = [
            means, flat.std(axis=1), *np.percentile(flat, (5, 95), axis=1), colour_range,
            means[:, 0] - means[:, 2], np.log1p(sharpness), np.log1p(np.median(second, axis=1)),
        ]  # fmt: skip
        rows.append(np.column_stack(columns))
    return np.concatenate(rows)


def _of_split(splits, split, backbone, cache):
    dataset = splits.train_in_order if split == "train" else getattr(splits, split)
    return AuditedSet(
        split,
        dataset,
        tuple(map(os.fspath, splits.paths.get(split, ()))) or _small(dataset),
        features_in_order(splits, split, backbone, cache),
        image_statistics(dataset),
        np.asarray(splits.labels[split], "int64"),
        splits.class_names,
        splits.unreadable if split == "train" else (),
    )


def _of_dataset(name, dataset, backbone, cache):
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            f"`{name}` must be a `tf.data.Dataset`, or `train` an `ImageSplits`. "
            f"Received: {name}={dataset!r}"
        )
    plain = unaugmented(dataset)
    check_order(plain)
    found = pooled_features(backbone, plain, cache)
    source = getattr(plain, "source", None)
    # Features are in the order of the source, whatever the order of an epoch.
    shown = plain if source is None else source.examples().batch(source.batch_size)
    return AuditedSet(
        name, shown, _small(shown), found.features, image_statistics(shown), found.labels,
        found.class_names,
    )  # fmt: skip


def _of_folder(folder, backbone, cache, value_range):
    height, width, channels = backbone.input_shape[-3:]
    dataset, paths, unreadable = read_images(
        find_images(folder), (height, width), channels=channels, value_range=value_range
    )
    if dataset is None:
        raise ValueError(
            f"No image in the folder can be read. Received: new={os.fspath(folder)!r}"
        )
    features = pooled_features(backbone, dataset, cache).features
    statistics = image_statistics(dataset)
    return AuditedSet(
        NEW, dataset, tuple(paths), features, statistics, unreadable=tuple(unreadable)
    )


def _small(dataset):
    """Grey arrays of shape `(64, 64, 1)`, one for each image."""
    rows = []
    for element in dataset:
        grey = tf.reduce_mean(tf.cast(_images_of(element), "float32"), axis=-1, keepdims=True)
        grey = tf.image.resize(grey, (SIDE, SIDE), antialias=True)
        rows += list(np.clip(grey.numpy().round(), 0, 255).astype("uint8"))
    return tuple(rows)


def _images_of(element):
    return element[0] if isinstance(element, tuple) else element
