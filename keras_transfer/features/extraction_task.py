"""What one extraction has to do."""

import dataclasses
import uuid

import tensorflow as tf

from keras_transfer.features.cache_folder import TEMPORARY
from keras_transfer.features.cached_features import CachedFeatures
from keras_transfer.features.digests import entry_key, stem_digest
from keras_transfer.features.extraction import BATCH_SIZE, batches
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.shard_reader import ShardReader
from keras_transfer.features.shard_store import ShardStore
from keras_transfer.features.worker_share import share_of


class ExtractionTask:
    """One call of `extract`: what is computed, of what, and how it is kept.

    Args:
        model: a `TransferModel`, or the network to run as a whole.
        dataset: a `tf.data.Dataset` of pictures.
        views: how many views are wanted.
        dtype: in which features are kept.
    """

    def __init__(self, model, dataset, views, dtype):
        self.source = source_of(dataset)
        self.share = share_of(model)
        self.stem = model.stem() if hasattr(model, "stem") else model
        self.stem_digest = stem_digest(self.stem)
        self.boundary = self.stem.outputs[0]._keras_history.operation.name
        self.class_names = getattr(dataset, "class_names", None)
        self.num_classes = self.class_names and len(self.class_names)
        self.views = views if self.source.draws_differ else 1
        self.dtype = dtype
        self._element_spec = self._find_spec()
        _, *targets = tf.nest.flatten(self._element_spec)
        self.specs = [(self._feature_shape(), dtype)]
        self.specs += [(spec.shape[1:], spec.dtype.as_numpy_dtype) for spec in targets]

    def _find_spec(self):
        source = self.source
        if source.augmentation is not None and not source.augmentation.mixes_labels:
            # It changes no shape, and takes half a second to trace.
            source = dataclasses.replace(source, augmentation=None)
        return batches(source, [0], self.num_classes, 0, 1).element_spec

    def _feature_shape(self):
        pictures = tf.nest.flatten(self._element_spec)[0].shape[1:]
        expected = self.stem.input_shape[1:]
        if not pictures.is_compatible_with(expected):
            raise ValueError(
                f"The network takes pictures of shape {expected}. "
                f"Received: a dataset of pictures of shape {tuple(pictures)}"
            )
        shape = self.stem.compute_output_shape((BATCH_SIZE, *pictures))[1:]
        if None in shape:
            raise ValueError(
                "Features are kept as arrays of one shape: the pictures must all have the same "
                f"size. Received: a dataset of pictures of shape {tuple(pictures)}"
            )
        return shape

    def key(self, engine):
        """The name of the entry that holds these features."""
        if self.source.fingerprint is None:
            return TEMPORARY + uuid.uuid4().hex
        return entry_key(self.stem_digest, self.source, self.dtype, engine.name)

    def stores(self, directory):
        """A `ShardStore` for each view, in an entry's folder."""
        return [
            ShardStore(
                directory / f"view-{view:03d}", self.source.num_images, self.specs, BATCH_SIZE
            )
            for view in range(self.views)
        ]

    def description(self, engine):
        """What the entry tells about itself."""
        return {
            "network": _network_name(self.stem.name),
            "boundary": self.boundary,
            "num_images": self.source.num_images,
            "feature_shape": list(self.specs[0][0]),
            "dtype": self.dtype,
            "engine": engine.name,
        }

    def opened(self, stores, key):
        """The `CachedFeatures` of the complete stores of an entry."""
        return CachedFeatures(
            [ShardReader(store) for store in stores],
            tf.nest.map_structure(lambda spec: 0, self._element_spec),
            self.boundary,
            self.source.batch_size,
            self.source.shuffle,
            self.source.seed,
            self.class_names,
            fingerprint=None if key.startswith(TEMPORARY) else key,
        )


def _network_name(name):
    for part in ("_stem", "_tail", "_transfer"):
        name = name.removesuffix(part)
    return name
