"""The distance of a data set from the statistics of BatchNormalization."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.pooled import unaugmented

_BATCH_SIZE = 32


def statistics_distance(backbone, dataset, num_images=256):
    """The distance of a data set's statistics from those that a backbone was trained with.

    A BatchNormalization layer holds the mean and the variance of each channel on the source
    images. The distance is the Kullback-Leibler divergence between the Gaussian of each channel
    on these images and on the source, averaged over the channels of a layer; the median over
    the layers.

    Args:
        backbone: a `Backbone`.
        dataset: a `tf.data.Dataset` of batches of images or of tuples that start with them.
        num_images: the number of images to use. Defaults to 256.

    Returns:
        A float in nats, 0 for images like those of the source; None for a backbone without
        BatchNormalization.

    Reference: Ioffe and Szegedy, Batch Normalization, 2015, for a Gaussian per channel.
    """
    layers = [
        operation
        for operation in graph.forward_operations(backbone)
        if isinstance(operation, keras.layers.BatchNormalization)
    ]
    if not layers:
        return None
    means, variances = _moments(backbone, layers, dataset, num_images)
    divergences = [
        _divergence(mean, variance, layer)
        for mean, variance, layer in zip(means, variances, layers, strict=True)
    ]
    return float(np.median(divergences))


def _moments(backbone, layers, dataset, num_images):
    """The mean and the variance of each channel before each layer, over the images."""
    network = keras.Model(backbone.input, [layer.input for layer in layers])

    @tf.function(reduce_retracing=True)
    def moments(images):
        activations = keras.tree.flatten(network(images, training=False))
        axes = [list(range(len(tensor.shape) - 1)) for tensor in activations]
        activations = [tf.cast(tensor, "float32") for tensor in activations]
        pairs = zip(activations, axes, strict=True)
        return [
            (tf.reduce_mean(tensor, axis), tf.reduce_mean(tensor**2, axis))
            for tensor, axis in pairs
        ]

    source = source_of(unaugmented(dataset))
    # From all over the data set: images may be sorted by class.
    step = 1 if source.in_random_order else max(1, source.num_images // num_images)
    batches = source.examples().shard(step, 0).take(num_images)
    batches = batches.map(lambda *element: tf.nest.flatten(element)[0]).batch(_BATCH_SIZE)
    sums, count = None, 0
    for images in batches:
        found = [[part.numpy() * len(images) for part in pair] for pair in moments(images)]
        count += len(images)
        if sums is None:
            sums = found
        else:
            sums = [
                [a + b for a, b in zip(*pairs, strict=True)]
                for pairs in zip(sums, found, strict=True)
            ]
    means = [first / count for first, _ in sums]
    variances = [
        second / count - mean**2 for (_, second), mean in zip(sums, means, strict=True)
    ]
    return means, variances


def _divergence(mean, variance, layer):
    source_mean, source_variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    scale = source_variance + layer.epsilon
    ratio = (np.maximum(variance, 0) + layer.epsilon) / scale
    return np.mean(ratio - 1 - np.log(ratio) + (mean - source_mean) ** 2 / scale) / 2
