"""Images as vectors: the features of a network, averaged over the positions."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._statistics.linear_models import cross_validate
from keras_transfer.backbones import graph
from keras_transfer.features.feature_cache import FeatureCache
from keras_transfer.features.observed_source import source_of
from keras_transfer.heads.pooling import pool

# The name of a head's pooling layer: `fine_tune` finds these features in the cache.
_POOLING_NAME = "head_pooling"


@dataclasses.dataclass(frozen=True)
class PooledFeatures:
    """A vector for each image of a dataset.

    Attributes:
        features: a float32 array of shape `(images, channels)`, in the order of the dataset
            before it is shuffled; if that is unknown, in the order of one pass.
        labels: an integer array of shape `(images,)`, or None if there are none.
        class_names: the names of the classes, or None.
        boundary: the name of the boundary that was pooled.
        seconds: the duration of the extraction; 0 if it was read from the cache.
        num_computed: the number of images that went through the network.
        groups: the group of each image, None for one without; None without groups.
    """

    features: np.ndarray
    labels: Any
    class_names: tuple | None
    boundary: str
    seconds: float = 0.0
    num_computed: int = 0
    groups: tuple | None = None

    @property
    def num_classes(self):
        """The number of classes: of `class_names`, otherwise the highest label plus one."""
        return len(self.class_names) if self.class_names else int(self.labels.max()) + 1

    def cross_validate(self, num_folds=5, seed=0, changed=None):
        """The cross-validated accuracy of a linear probe; images of a group are in one fold.

        The interval counts groups rather than images, if there are groups.

        Args:
            num_folds: the most folds. Defaults to 5.
            seed: of the folds. Defaults to 0.
            changed: features of the first images, or of all, after a change, to predict too.
                Defaults to None.

        Returns:
            A `ProbeResult`, with the attributes `accuracy`, `interval` and `correct`.

        Example:

        >>> pooled = features.pooled_features(backbone, train, features.FeatureCache("cache"))
        >>> pooled.cross_validate().correct.shape
        (18,)
        """
        return cross_validate(self.features, self.labels, num_folds, seed, changed, self.groups)


def pooled_features(
    backbone: keras.Model,
    dataset: tf.data.Dataset,
    cache: FeatureCache | None = None,
    verbose: int = 0,
    augmented: bool = False,
) -> PooledFeatures:
    """Computes the last features of a backbone, averaged over the positions.

    `fine_tune` trains a head on the same features and finds them in the cache.

    Args:
        backbone: a `Backbone`, or another functional or sequential model.
        dataset: a `tf.data.Dataset` of batches of images or of `(images, labels)`.
        cache: a `FeatureCache`. Defaults to None, one in the user's cache folder.
        verbose: as in `FeatureCache.extract`. Defaults to 0.
        augmented: whether to keep an augmentation of `keras_transfer.data`, of which one draw
            is computed. Defaults to False.

    Returns:
        `PooledFeatures`.

    Raises:
        ValueError: if an image has several labels.

    Example:

    >>> pooled = features.pooled_features(backbone, train, features.FeatureCache("cache"))
    >>> pooled.features.shape, pooled.labels.shape, pooled.num_classes
    ((18, 8), (18,), 3)
    """
    backbone = graph.as_functional(backbone)
    network = pooled_network(backbone)
    boundary = backbone.outputs[0]._keras_history.operation.name
    width = network.output_shape[-1]
    dataset = dataset if augmented else unaugmented(dataset)
    (found,) = _extract(network, [(boundary, width)], dataset, cache, verbose)
    return found


def pooled_network(backbone):
    """The backbone followed by average pooling: a `keras.Model` that shares its layers."""
    (features,) = graph.masked(backbone, [backbone.output])
    output = pool(features, "avg", _POOLING_NAME)
    return keras.Model(backbone.input, output, name=backbone.name)


def num_megabytes(network):
    """The size of a network's weights, in megabytes."""
    return sum(weight.numpy().nbytes for weight in network.weights) / 1e6


def unaugmented(dataset):
    """The dataset without its augmentation, if it has one."""
    plain = getattr(dataset, "unaugmented", None)
    return dataset if plain is None else plain


def check_order(dataset):
    """Raises `ValueError` if the order of the images differs between passes."""
    if not source_of(unaugmented(dataset)).fixed_order:
        raise ValueError(
            "The images must come in the same order in each pass, since rows of several passes "
            "are compared: do not shuffle the dataset, or pass "
            "`reshuffle_each_iteration=False`. Received: a dataset whose order changes"
        )


def stage_features(backbone, dataset, cache=None, verbose=0):
    """`PooledFeatures` at the end of each of `backbone.stages`, from one pass over the images.

    The arguments are those of `pooled_features`.
    """
    tensors = graph.boundaries(backbone)
    boundaries = [stage.boundary for stage in backbone.stages]
    ends = graph.masked(backbone, [tensors[name] for name in boundaries])
    named = zip(boundaries, ends, strict=True)
    pooled = [pool(end, "avg", f"{name}_pooled") for name, end in named]
    output = keras.layers.Concatenate(name="all_stages")(pooled) if pooled[1:] else pooled[0]
    network = keras.Model(backbone.input, output, name=backbone.name)
    parts = [(name, part.shape[-1]) for name, part in zip(boundaries, pooled, strict=True)]
    return _extract(network, parts, unaugmented(dataset), cache, verbose)


def _extract(network, parts, dataset, cache, verbose):
    """`PooledFeatures` for each `(boundary, width)`, the columns of a network's output."""
    cache = FeatureCache() if cache is None else cache
    cached = cache.extract(network, dataset, verbose=verbose)
    rows, labels = features_and_labels(cached.arrays())
    ends = np.cumsum([width for _, width in parts])
    columns = np.split(rows, ends[:-1], axis=1)
    names, done = cached.class_names, cached.extraction
    return tuple(
        PooledFeatures(
            np.ascontiguousarray(part),
            labels,
            names,
            boundary,
            done.seconds,
            done.num_images,
            cached.source.groups,
        )
        for part, (boundary, _) in zip(columns, parts, strict=True)
    )


def features_and_labels(element):
    """The features and the integer labels, or None, of what `CachedFeatures.arrays` returns."""
    if not isinstance(element, tuple):
        return element, None
    rows, labels = (*element, None)[:2]
    if labels is None:
        return rows, None
    if isinstance(labels, (dict, tuple, list)):
        structure = tf.nest.map_structure(lambda _: ".", labels)
        raise ValueError(
            "Each image must have one label, the index of a class. "
            f"Received: labels with the structure {structure}"
        )
    if labels.ndim == 2 and labels.shape[1] > 1:  # one-hot
        labels = labels.argmax(axis=1)
    return rows, labels.reshape(-1).astype("int64")
