"""Pictures as vectors: what a network makes of them, pooled over the positions."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.features import FeatureCache, source_of
from keras_transfer.heads.pooling import pool

# As in a head: what is computed here is what `fine_tune` finds in the cache.
_POOLING_NAME = "head_pooling"


@dataclasses.dataclass(frozen=True)
class PooledFeatures:
    """A vector for each picture of a data set.

    Attributes:
        features: a float32 array of shape `(pictures, channels)`, in the order of the data set
            before it is shuffled; where that is not known, in the order of one pass.
        labels: an integer array of shape `(pictures,)`, or None where there are none.
        class_names: the names of the classes, or None.
        boundary: the name of the boundary that was pooled.
        seconds: how long the pass took; 0 if it was read from the cache.
        num_computed: how many pictures went through the network.
    """

    features: np.ndarray
    labels: np.ndarray | None
    class_names: tuple | None
    boundary: str
    seconds: float = 0.0
    num_computed: int = 0

    @property
    def num_classes(self):
        """The number of classes; of unnamed ones, one more than the highest label."""
        return len(self.class_names) if self.class_names else int(self.labels.max()) + 1


def pooled_features(backbone, dataset, cache=None, verbose=0):
    """The last features of a backbone, averaged over the positions.

    They are those that `fine_tune` trains a head on, and both find them in the cache.

    Args:
        backbone: a `Backbone`.
        dataset: a `tf.data.Dataset` of batches of pictures or of `(images, labels)`. Random
            changes are left out where it is known how the pictures were before.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        verbose: as in `FeatureCache.extract`.

    Returns:
        `PooledFeatures`.
    """
    network = pooled_network(backbone)
    boundary = backbone.outputs[0]._keras_history.operation.name
    width = network.output_shape[-1]
    (found,) = _extract(network, [(boundary, width)], dataset, cache, verbose)
    return found


def pooled_network(backbone):
    """The backbone with the average over the positions: a `keras.Model` that shares layers."""
    output = pool(backbone.output, "avg", _POOLING_NAME)
    return keras.Model(backbone.input, output, name=backbone.name)


def num_megabytes(network):
    """The size of a network's weights, in megabytes."""
    return sum(weight.numpy().nbytes for weight in network.weights) / 1e6


def unaugmented(dataset):
    """The data set before its random changes, where that is known."""
    plain = getattr(dataset, "unaugmented", None)
    return dataset if plain is None else plain


def check_order(dataset):
    """Raises `ValueError` for pictures that come in another order in each pass."""
    if not source_of(unaugmented(dataset)).fixed_order:
        raise ValueError(
            "The pictures must come in the same order in each pass, since rows of several "
            "passes are compared: leave `shuffle` out, or pass "
            "`reshuffle_each_iteration=False`. Received: a dataset whose order changes"
        )


def stage_features(backbone, dataset, cache=None, verbose=0):
    """The features at the end of each stage, averaged over the positions, from one pass.

    Args:
        backbone: a `Backbone`.
        dataset: as in `pooled_features`.
        cache: as there.
        verbose: as there.

    Returns:
        A tuple of `PooledFeatures`, one for each of `backbone.stages`.
    """
    tensors = graph.boundaries(backbone)
    boundaries = [stage.boundary for stage in backbone.stages]
    pooled = [pool(tensors[name], "avg", f"{name}_pooled") for name in boundaries]
    output = keras.layers.Concatenate(name="all_stages")(pooled) if pooled[1:] else pooled[0]
    network = keras.Model(backbone.input, output, name=backbone.name)
    parts = [(name, part.shape[-1]) for name, part in zip(boundaries, pooled, strict=True)]
    return _extract(network, parts, dataset, cache, verbose)


def _extract(network, parts, dataset, cache, verbose):
    """The columns of a network's output that belong to each of `(boundary, width)`."""
    cache = FeatureCache() if cache is None else cache
    cached = cache.extract(network, unaugmented(dataset), verbose=verbose)
    rows, labels = features_and_labels(cached.arrays())
    ends = np.cumsum([width for _, width in parts])
    columns = np.split(rows, ends[:-1], axis=1)
    names, done = cached.class_names, cached.extraction
    return tuple(
        PooledFeatures(
            np.ascontiguousarray(part), labels, names, boundary, done.seconds, done.num_images
        )
        for part, (boundary, _) in zip(columns, parts, strict=True)
    )


def features_and_labels(element):
    """The features, and labels as numbers of classes or None, of what `arrays` returned."""
    if not isinstance(element, tuple):
        return element, None
    rows, labels = (*element, None)[:2]
    if labels is None:
        return rows, None
    if isinstance(labels, (dict, tuple, list)):
        structure = tf.nest.map_structure(lambda _: ".", labels)
        raise ValueError(
            "Pictures must have one label each, the number of a class. "
            f"Received: labels with the structure {structure}"
        )
    if labels.ndim == 2 and labels.shape[1] > 1:  # one-hot
        labels = labels.argmax(axis=1)
    return rows, labels.reshape(-1).astype("int64")
