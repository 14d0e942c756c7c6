"""Features that were computed before, as a dataset."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.data.labeled_dataset import ImageSource, without_autotuning
from keras_transfer.features.feature_datasets import (
    Epochs,
    from_disk,
    from_memory,
    load,
    rows_in_order,
)
from keras_transfer.features.shard_store import ShardReader

# Larger features stay on disk, and each epoch reads them.
MEMORY_LIMIT = 2**28


class CachedFeatures(tf.data.Dataset):
    """A dataset of batches `(features, labels)`, made by `FeatureCache.extract`.

    It has the structure of the dataset of images that it was extracted from, and is a
    `tf.data.Dataset` itself: `model.fit(features.as_inputs())` trains on it. With several
    views, each epoch takes a random view of each image. `seed` and the number of the epoch
    determine the order and the views.

    Args:
        readers: a `ShardReader` for each view; the first arrays hold the features.
        structure: an example of the elements' structure, for example `(0, 0)` for pairs.
        names: the name of the layer that outputs the features, and those of the tensors that
            ride along, such as a padding mask; the features are then a tuple.
        batch_size: rows per batch.
        shuffle: whether each epoch has its own order. Defaults to False.
        seed: of the orders and the views. Defaults to 0.
        class_names: the names of the classes. Defaults to None, unknown.
        arrays: all rows as tensors, if they are in memory already. Defaults to None.
        fingerprint: a string that changes when the features do. Defaults to None: the features
            cannot be found again.
        groups: the group of each image, None for one without. Defaults to None, no groups.

    Attributes:
        boundary: the first of `names`.
        num_images: the number of images, and of rows in an epoch.
        views: the number of views.
        in_memory: whether all views are held in memory.
        nbytes: the size of the features and labels of all views.
        epochs: the `Epochs`, whose `begun` counts them.
        source: the rows of the first view as an `ImageSource`, to extract features from.
        extraction: the `Extraction` that computed the features.
        engine: the `Engine` that computed them.

    Example:

    >>> cached = features.FeatureCache("cache").extract(model, train)
    >>> cached.arrays()[0].shape
    (18, 8)
    """

    def __init__(
        self,
        readers: Sequence[ShardReader],
        structure: Any,
        names: Sequence[str],
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
        arrays: list[tf.Tensor] | None = None,
        fingerprint: str | None = None,
        groups: tuple | None = None,
    ):
        self.readers, self.structure, self.names = tuple(readers), structure, tuple(names)
        self.boundary = self.names[0]
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.class_names, self.fingerprint = class_names, fingerprint
        store = readers[0].store
        self.num_images, self.views = store.num_rows, len(readers)
        self.nbytes = self.num_images * self.views * store.row_bytes
        self.in_memory = self.nbytes <= MEMORY_LIMIT
        self.epochs = Epochs(seed)
        # Nothing below gets a reference to `self`: the cycle would keep the arrays alive.
        examples = functools.partial(_examples, self.readers[0], structure)
        self.source = ImageSource(
            examples, self.num_images, fingerprint, batch_size, shuffle, seed, groups=groups
        )
        self._arrays = (arrays or load(self.readers)) if self.in_memory else None
        self._dataset = self._batches(functools.partial(_packed, structure))
        super().__init__(tf.data.experimental.to_variant(self._dataset))

    @property
    def has_labels(self):
        """Whether an element is a tuple of features, labels and so on."""
        return isinstance(self.structure, tuple) and (
            not self.names[1:] or isinstance(self.structure[0], tuple)
        )

    def _batches(self, pack):
        how = self.epochs, self.batch_size, self.shuffle, pack
        if self.in_memory:
            batches = from_memory(self._arrays, self.views, *how)
        else:
            batches = from_disk(self.readers, *how)
        steps = math.ceil(self.num_images / self.batch_size)
        counted = batches.apply(tf.data.experimental.assert_cardinality(steps))
        return without_autotuning(counted)

    def batched(self, batch_size: int, shuffle: bool | None = None) -> "CachedFeatures":
        """The same features in batches of another size.

        Args:
            batch_size: rows per batch.
            shuffle: whether each epoch has its own order. Defaults to None, as before.
        """
        shuffle = self.shuffle if shuffle is None else shuffle
        return CachedFeatures(
            self.readers, self.structure, self.names, batch_size, shuffle, self.seed,
            self.class_names, self._arrays, self.fingerprint, self.source.groups,
        )  # fmt: skip

    def as_inputs(self) -> tf.data.Dataset:
        """The dataset for the `TransferModel` itself instead of its `tail()`.

        The features are in a dict under the name of the boundary; the name distinguishes them
        from images.
        """
        names, structure = self.names, self.structure
        has_labels = self.has_labels

        def named(*arrays):
            element = _packed(structure, *arrays)
            features, *others = element if has_labels else (element,)
            features = features if names[1:] else (features,)
            inputs = dict(zip(names, features, strict=True))
            return (inputs, *others) if has_labels else inputs

        inputs = self._batches(named)
        inputs.epochs = self.epochs
        return inputs

    def arrays(self, view: int = 0) -> Any:
        """All rows of a view in order: NumPy arrays in the structure of the elements."""
        arrays = self.readers[view].rows(0, self.num_images)
        arrays = [one.astype("float32") if one.dtype == np.float16 else one for one in arrays]
        return tf.nest.pack_sequence_as(self.structure, arrays)

    def _inputs(self):
        # `tf.data` options and `tf.distribute` follow the inputs of a dataset.
        return [self._dataset]

    @property
    def element_spec(self):
        return self._dataset.element_spec


def _examples(reader, structure, start=0):
    return rows_in_order(reader, start, functools.partial(_packed, structure)).unbatch()


def _packed(structure, *arrays):
    """An element of the dataset from its arrays."""
    # float16 halves the size on disk; the tail computes in its own precision.
    arrays = [tf.cast(one, "float32") if one.dtype == tf.float16 else one for one in arrays]
    return tf.nest.pack_sequence_as(structure, arrays)
