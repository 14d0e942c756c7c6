"""One extraction: its network, its images, its files, and each worker's part of it."""

import contextlib
import dataclasses
import uuid

import keras
import tensorflow as tf

from keras_transfer.backbones.graph import as_functional, described_inputs, tensor_name
from keras_transfer.distribution.workers import has_workers
from keras_transfer.features.cache_folder import TEMPORARY, is_temporary
from keras_transfer.features.cached_features import CachedFeatures
from keras_transfer.features.digests import entry_key, stem_digest
from keras_transfer.features.extraction import batches, parts_of
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.shard_store import BATCH_SIZE, ShardReader, ShardStore
from keras_transfer.features.state_digest import UnknownStateError


class ExtractionTask:
    """What one call of `FeatureCache.extract` computes and how it is stored."""

    def __init__(self, model, dataset, views, dtype):
        self.source = source_of(dataset)
        strategy = model.distribute_strategy
        self.share = WorkerShare(strategy) if has_workers(strategy) else None
        self.stem = model.stem() if hasattr(model, "stem") else as_functional(model)
        self.stem_digest = stem_digest(self.stem)
        self.names = tuple(map(tensor_name, self.stem.outputs))
        self.class_names = getattr(dataset, "class_names", None)
        self.num_classes = self.class_names and len(self.class_names)
        self.views = views if self.source.draws_differ else 1
        self.dtype = dtype
        self._element_spec = self._find_spec()
        inputs, targets = parts_of(self._element_spec)
        is_dropped = not isinstance(self.stem.input, dict)  # by Keras, for one input
        if is_dropped and isinstance(inputs, dict) and [*inputs] == [self.stem.inputs[0].name]:
            self.source = self.source.mapped(_only, "of one input")
            self._element_spec = self._find_spec()
            inputs, targets = parts_of(self._element_spec)
        self.specs = [
            (tuple(one.shape[1:]), dtype if "float" in one.dtype else one.dtype)
            for one in self._features(inputs)
        ]
        self.specs += [
            (spec.shape[1:], spec.dtype.as_numpy_dtype) for spec in tf.nest.flatten(targets)
        ]

    def _find_spec(self):
        source = self.source
        if source.augmentation is not None and not source.augmentation.mixes_labels:
            # It changes no shape, and tracing it takes half a second.
            source = dataclasses.replace(source, augmentation=None)
        return batches(source, [0], self.num_classes, 0, 1).element_spec

    def _features(self, given):
        """A `KerasTensor` for each of the features of such inputs."""
        expected = self.stem.input
        try:
            tf.nest.assert_same_structure(expected, given, expand_composites=False)
        except (TypeError, ValueError):
            raise ValueError(
                f"The network takes the inputs {described_inputs(self.stem)}. "
                f"Received: a dataset of {given}"
            ) from None
        for one, spec in zip(tf.nest.flatten(expected), tf.nest.flatten(given), strict=True):
            if not spec.shape[1:].is_compatible_with(one.shape[1:]):
                raise ValueError(
                    f"The network takes {_kind(one)} of shape {tuple(one.shape[1:])}. "
                    f"Received: a dataset of {_kind(one)} of shape {tuple(spec.shape[1:])}"
                )
        sized = tf.nest.map_structure(
            lambda one, spec: keras.KerasTensor((BATCH_SIZE, *spec.shape[1:]), one.dtype),
            expected,
            given,
        )
        features = tf.nest.flatten(self.stem.compute_output_spec(sized))
        if any(None in one.shape for one in features):
            raise ValueError(
                "Features can be extracted only from images that all have the same size. "
                f"Received: a dataset of images of shape {_shapes(given)}"
            )
        return features

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
            "boundary": self.names[0],
            "num_images": self.source.num_images,
            "feature_shape": list(self.specs[0][0]),
            "dtype": self.dtype,
            "engine": engine.name,
            "data": self.source.name,
        }

    def _structure(self):
        """An example of the elements of the features, which replace the inputs."""
        spec = self._element_spec
        features = (0,) * len(self.names) if self.names[1:] else 0
        if not isinstance(spec, tuple):
            return features
        return features, *tf.nest.map_structure(lambda _: 0, spec[1:])

    def opened(self, stores, key):
        """The `CachedFeatures` of complete stores."""
        return CachedFeatures(
            [ShardReader(store) for store in stores],
            self._structure(),
            self.names,
            self.source.batch_size,
            self.source.shuffle,
            self.source.seed,
            self.class_names,
            fingerprint=None if is_temporary(key) else key,
            groups=self.source.groups,
        )


def _only(inputs, *others):
    (one,) = inputs.values()
    return (one, *others) if others else one


def _kind(tensor):
    return "images" if len(tensor.shape) == 4 else f"'{tensor.name}'"


def _shapes(specs):
    shapes = [tuple(spec.shape[1:]) for spec in tf.nest.flatten(specs)]
    return shapes if shapes[1:] else shapes[0]


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
