"""Features that were computed before, as a dataset."""

import math

import numpy as np
import tensorflow as tf

from keras_transfer.data.labeled_dataset import ImageSource
from keras_transfer.features.epochs import Epochs
from keras_transfer.features.feature_datasets import (
    from_disk,
    from_memory,
    load,
    rows_in_order,
)

# Up to here all features are kept in memory; beyond, an epoch reads them from disk.
MEMORY_LIMIT = 2**26


class CachedFeatures(tf.data.Dataset):
    """A dataset of batches `(features, labels)`, or what else came with the pictures.

    With several views each epoch takes one of each picture's at random. The order and the
    views of an epoch follow from `seed` and the number of the epoch alone.

    It is made by `FeatureCache.extract`, and it *is* a `tf.data.Dataset`:
    `model.tail().fit(features)` trains on it.

    Args:
        readers: a `ShardReader` for each view; the first array is that of the features.
        structure: an example of the elements' structure, such as `(0, 0)` for pairs.
        boundary: the name of the layer that the features come out of.
        batch_size: rows in a batch.
        shuffle: whether each epoch has another order. Defaults to False.
        seed: of the orders and of the choice of views. Defaults to 0.
        class_names: the names of the classes, or None.
        arrays: all rows as tensors, where they are in memory already. Defaults to None.
        fingerprint: a string that changes when the features do; None where they cannot be
            found again.

    Attributes:
        num_images: the number of pictures, and of rows in an epoch.
        views: the number of views.
        in_memory: whether all views are held in memory.
        nbytes: the size of the features and labels of all views.
        epochs: the `Epochs` that were begun.
    """

    def __init__(
        self,
        readers,
        structure,
        boundary,
        batch_size,
        shuffle=False,
        seed=0,
        class_names=None,
        arrays=None,
        fingerprint=None,
    ):
        self.readers, self.structure, self.boundary = tuple(readers), structure, boundary
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.class_names, self.fingerprint = class_names, fingerprint
        store = readers[0].store
        self.num_images, self.views = store.num_rows, len(readers)
        self.nbytes = self.num_images * self.views * store.row_bytes
        self.in_memory = self.nbytes <= MEMORY_LIMIT
        self.epochs = Epochs(seed)
        # What these make must not refer to this object: the arrays would live on in a cycle.
        how = self.epochs, batch_size, shuffle
        self._arrays = (arrays or load(self.readers)) if self.in_memory else None
        if self.in_memory:
            rows = from_memory(self._arrays, self.views, *how)
        else:
            rows = from_disk(self.readers, *how)
        dataset = _packed(rows, structure)
        steps = math.ceil(self.num_images / batch_size)
        self._dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
        super().__init__(tf.data.experimental.to_variant(self._dataset))

    def batched(self, batch_size, shuffle=None):
        """The same features in batches of another size.

        Args:
            batch_size: rows in a batch.
            shuffle: whether each epoch has another order. Defaults to what it was.
        """
        shuffle = self.shuffle if shuffle is None else shuffle
        return CachedFeatures(
            self.readers, self.structure, self.boundary, batch_size, shuffle, self.seed,
            self.class_names, self._arrays, self.fingerprint,
        )  # fmt: skip

    def as_inputs(self):
        """The dataset for the `TransferModel` itself instead of its tail.

        Its features are in a dict under the boundary's name, by which the model knows that it
        gets features and not pictures.
        """
        boundary, is_tuple = self.boundary, isinstance(self.structure, tuple)

        def named(features, *others):
            inputs = {boundary: features}
            return (inputs, *others) if is_tuple else inputs

        return self.map(named)

    @property
    def source(self):
        """The rows of the first view as an `ImageSource`, to compute further features from."""
        return ImageSource(
            examples=self._examples,
            num_images=self.num_images,
            fingerprint=self.fingerprint,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            seed=self.seed,
        )

    def _examples(self, start=0):
        rows = rows_in_order(self.readers[0], start)
        return _packed(rows, self.structure).unbatch()

    def arrays(self, view=0):
        """All rows of a view in order, packed as the elements are: NumPy arrays."""
        features, *others = self.readers[view].rows(0, self.num_images)
        if features.dtype == np.float16:
            features = features.astype("float32")
        return tf.nest.pack_sequence_as(self.structure, [features, *others])

    def _inputs(self):
        # Every `tf.data.Dataset` names its inputs: options and `tf.distribute` follow them.
        return [self._dataset]

    @property
    def element_spec(self):
        return self._dataset.element_spec


def _packed(dataset, structure):
    def pack(features, *others):
        # float16 saves room on disk; the tail computes in its own precision.
        if features.dtype == tf.float16:
            features = tf.cast(features, "float32")
        return tf.nest.pack_sequence_as(structure, [features, *others])

    return dataset.map(pack).prefetch(2)
