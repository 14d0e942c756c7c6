"""One extraction: its network, its images, its files, and each worker's part of it."""

import contextlib
import dataclasses
import uuid

import tensorflow as tf

from keras_transfer.distribution.workers import has_workers
from keras_transfer.features.cache_folder import TEMPORARY, is_temporary
from keras_transfer.features.cached_features import CachedFeatures
from keras_transfer.features.digests import entry_key, stem_digest
from keras_transfer.features.extraction import batches
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.shard_store import BATCH_SIZE, ShardReader, ShardStore
from keras_transfer.features.state_digest import UnknownStateError


class ExtractionTask:
    """What one call of `FeatureCache.extract` computes and how it is stored."""

    def __init__(self, model, dataset, views, dtype):
        self.source = source_of(dataset)
        strategy = model.distribute_strategy
        self.share = WorkerShare(strategy) if has_workers(strategy) else None
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
            # It changes no shape, and tracing it takes half a second.
            source = dataclasses.replace(source, augmentation=None)
        return batches(source, [0], self.num_classes, 0, 1).element_spec

    def _feature_shape(self):
        found = tf.nest.flatten(self._element_spec)[0].shape[1:]
        expected = self.stem.input_shape[1:]
        if not found.is_compatible_with(expected):
            raise ValueError(
                f"The network takes images of shape {expected}. "
                f"Received: a dataset of images of shape {tuple(found)}"
            )
        shape = self.stem.compute_output_shape((BATCH_SIZE, *found))[1:]
        if None in shape:
            raise ValueError(
                "Features can be extracted only from images that all have the same size. "
                f"Received: a dataset of images of shape {tuple(found)}"
            )
        return shape

    def key(self, engine):
        """The key of the entry; a temporary one if the features cannot be found again.

        That is so if the images are random, or may be others in another process, or if code of
        the user cannot be known.
        """
        if self.stem_digest is not None and self.source.can_be_found:
            with contextlib.suppress(UnknownStateError, RecursionError):
                return entry_key(
                    self.stem_digest, self.source, self.num_classes, self.dtype, engine
                )
        return TEMPORARY + uuid.uuid4().hex

    def stores(self, directory):
        """A `ShardStore` for each view, in the folder of an entry."""
        return [
            ShardStore(directory / f"view-{view:03d}", self.source.num_images, self.specs)
            for view in range(self.views)
        ]

    def description(self, engine):
        """The description of the entry, for `CacheFolder.describe`."""
        network = self.stem.name
        for suffix in ("_stem", "_tail", "_transfer"):
            network = network.removesuffix(suffix)
        return {
            "network": network,
            "boundary": self.boundary,
            "num_images": self.source.num_images,
            "feature_shape": list(self.specs[0][0]),
            "dtype": self.dtype,
            "engine": engine.name,
            "data": self.source.name,
        }

    def opened(self, stores, key):
        """The `CachedFeatures` of complete stores."""
        return CachedFeatures(
            [ShardReader(store) for store in stores],
            tf.nest.map_structure(lambda spec: 0, self._element_spec),
            self.boundary,
            self.source.batch_size,
            self.source.shuffle,
            self.source.seed,
            self.class_names,
            fingerprint=None if is_temporary(key) else key,
        )


class WorkerShare:
    """One worker's shards of an extraction that several workers compute together."""

    def __init__(self, strategy):
        resolver = strategy.cluster_resolver
        cluster = resolver.cluster_spec().as_dict()
        sizes = {kind: len(cluster.get(kind, ())) for kind in ("chief", "worker")}
        before = sizes["chief"] if resolver.task_type == "worker" else 0
        self._strategy = strategy
        self._index, self._number = before + resolver.task_id, sum(sizes.values())

    def of(self, missing):
        """The missing shards of each view that this worker computes."""
        return [
            [shard for shard in shards if shard % self._number == self._index]
            for shards in missing
        ]

    def wait_for_all(self):
        """Returns when all workers have called it."""

        def meet():
            return tf.distribute.get_replica_context().all_reduce("sum", tf.ones(()))

        self._strategy.run(meet)
