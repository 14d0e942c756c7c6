"""A set of pictures as an audit looks at it: everything in one order."""

import dataclasses
import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_transfer.auditing.image_statistics import picture_statistics
from keras_transfer.auditing.thumbnails import SIDE
from keras_transfer.data import ImageSplits, read_pictures
from keras_transfer.data.pipeline import mixed_order
from keras_transfer.data.scanning import find_pictures
from keras_transfer.features.pooled import check_order, pooled_features, unaugmented

SPLITS, NEW = ("train", "validation", "test"), "new"


@dataclasses.dataclass(frozen=True, eq=False)
class AuditedSet:
    """Pictures, and what is known of each, row by row in the same order.

    Attributes:
        name: "train", "validation", "test" or "new".
        dataset: a `tf.data.Dataset` of the pictures in that order.
        pictures: the paths of the files; of pictures that are no files, small grey arrays.
        features: a float32 array of shape `(pictures, channels)`.
        statistics: what `picture_statistics` says of them.
        labels: integers of shape `(pictures,)`, or None.
        class_names: the names of the classes, or None.
        unreadable: tuple of `(path, reason)`, the files that were left out.
    """

    name: str
    dataset: tf.data.Dataset
    pictures: tuple
    features: np.ndarray
    statistics: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple | None = None
    unreadable: tuple = ()

    @property
    def paths(self):
        """The paths of the files, or None where the pictures are no files."""
        return self.pictures if isinstance(self.pictures[0], str) else None


def audited_sets(given, backbone, cache):
    """The sets of an audit.

    Args:
        given: dict from name to what the user passed: an `ImageSplits` as "train", datasets,
            and as "new" also the path of a folder.
        backbone: a `Backbone`.
        cache: a `features.FeatureCache`, or None.

    Returns:
        A list of `AuditedSet`, train first, new last.
    """
    train, new, sets = given["train"], given[NEW], []
    if isinstance(new, (str, os.PathLike)):
        _check_folder(new)
    if isinstance(train, ImageSplits):
        if given["validation"] is not None or given["test"] is not None:
            raise ValueError(
                "An `ImageSplits` has its own splits: leave `validation` and `test` out. "
                f"Received: validation={given['validation']!r}, test={given['test']!r}"
            )
        sets = [_of_split(train, split, backbone, cache) for split in train.labels]
    else:
        named = [(name, given[name]) for name in SPLITS if given[name] is not None]
        sets = [_of_dataset(name, dataset, backbone, cache) for name, dataset in named]
    _check(sets)
    if isinstance(new, (str, os.PathLike)):
        sets.append(_of_folder(new, backbone, cache))
    elif new is not None:
        sets.append(_of_dataset(NEW, new, backbone, cache))
    return sets


def features_in_order(splits, split, backbone, cache=None):
    """The features of a split, in the order of `splits.labels` and `splits.paths`.

    The pictures to train on are kept in the cache as `fine_tune` keeps them, which is another
    order; here their rows are put back.

    Args:
        splits: an `ImageSplits`.
        split: "train", "validation" or "test".
        backbone: a `Backbone`.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.

    Returns:
        A float32 array of shape `(pictures, channels)`.
    """
    found = pooled_features(backbone, getattr(splits, split), cache)
    rows, labels = found.features, found.labels
    plain = getattr(splits, split)
    plain = plain if plain.unaugmented is None else plain.unaugmented
    if plain.source.fingerprint != splits.fingerprints[split]:
        order = np.argsort(mixed_order(len(rows)))
        rows, labels = rows[order], labels[order]
    if not np.array_equal(labels, splits.labels[split]):
        raise ValueError(
            f"The pictures of the {split} split do not come in the order of its labels: make "
            "the `ImageSplits` with `image_folder` or `from_tfds`. Received: labels that differ"
        )
    return rows


def _of_split(splits, split, backbone, cache):
    dataset = splits.train_in_order if split == "train" else getattr(splits, split)
    return AuditedSet(
        split,
        dataset,
        tuple(map(os.fspath, splits.paths.get(split, ()))) or _small(dataset),
        features_in_order(splits, split, backbone, cache),
        picture_statistics(dataset),
        np.asarray(splits.labels[split], "int64"),
        splits.class_names,
        splits.unreadable if split == "train" else (),
    )


def _of_dataset(name, dataset, backbone, cache):
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            f"`{name}` must be a `tf.data.Dataset`, or an `ImageSplits` as `train`. "
            f"Received: {name}={dataset!r}"
        )
    plain = unaugmented(dataset)
    check_order(plain)
    found = pooled_features(backbone, plain, cache)
    source = getattr(plain, "source", None)
    # Features are in the order of the source, whatever the order of an epoch.
    shown = plain if source is None else source.examples().batch(source.batch_size)
    labels = None if found.labels is None else found.labels
    names = found.class_names
    return AuditedSet(
        name, shown, _small(shown), found.features, picture_statistics(shown), labels, names
    )


def _of_folder(folder, backbone, cache):
    height, width, channels = backbone.input_shape[-3:]
    dataset, paths, unreadable = read_pictures(
        find_pictures(folder), (height, width), channels=channels
    )
    if dataset is None:
        raise ValueError(
            f"No picture in the folder can be read. Received: new={os.fspath(folder)!r}"
        )
    found = pooled_features(backbone, dataset, cache)
    statistics = picture_statistics(dataset)
    return AuditedSet(
        NEW, dataset, tuple(paths), found.features, statistics, unreadable=tuple(unreadable)
    )


def _check_folder(folder):
    """Before anything is computed."""
    if not pathlib.Path(folder).is_dir():
        raise FileNotFoundError(f"No such folder. Received: new={os.fspath(folder)!r}")
    if not find_pictures(folder):
        raise ValueError(f"The folder holds no picture. Received: new={os.fspath(folder)!r}")


def _small(dataset):
    """Grey arrays of shape `(64, 64, 1)`, one for each picture."""
    rows = []
    for element in dataset:
        images = element[0] if isinstance(element, tuple) else element
        grey = tf.reduce_mean(tf.cast(images, "float32"), axis=-1, keepdims=True)
        grey = tf.image.resize(grey, (SIDE, SIDE), antialias=True)
        rows += list(np.clip(grey.numpy().round(), 0, 255).astype("uint8"))
    return tuple(rows)


def _check(sets):
    for audited in sets:
        if audited.labels is None:
            raise ValueError(
                f"The pictures of `{audited.name}` must have labels. Received: none"
            )
        if audited.class_names != sets[0].class_names:
            raise ValueError(
                "All splits must have the same classes. Received: "
                f"{sets[0].class_names} and {audited.class_names} ({audited.name})"
            )
