"""Pretrained networks for pictures that are not RGB."""

import keras
import numpy as np

from keras_transfer.backbones import graph

# Per-colour constants that a network holds in its graph.
_PER_COLOUR = {
    keras.layers.Normalization: ("mean", "variance"),
    keras.layers.Rescaling: ("scale", "offset"),
}


def colourless_config(layer, config):
    """A layer's config with constants per colour replaced by their mean."""
    for kind, keys in _PER_COLOUR.items():
        if isinstance(layer, kind):
            means = {key: _mean(config[key]) for key in keys if _is_colour(config.get(key))}
            config = {**config, **means}
    return config


def _is_colour(value):
    return np.shape(value) == (3,)


def _mean(value):
    return float(np.mean(value))


def adapt_weights(copies, num_channels):
    """Fits the weights of an RGB network to copies that read `num_channels` channels.

    The first convolution's kernel is summed over the colours for one channel, which equals
    feeding the grey picture three times. For more channels it is repeated (R, G, B, R, …) and
    rescaled by `3 / num_channels`, so that a picture that is alike in all channels gives what
    it gave before.

    Args:
        copies: a dict of original operation to its copy, as `graph.flat_copy` returns it.
        num_channels: the number of channels of the copies' input.

    Raises:
        ValueError: if a layer changed its shape in a way that is not understood.
    """
    for original, copy in copies.items():
        if not isinstance(original, keras.Layer):
            continue
        values = [
            _adapt(value, tuple(weight.shape), num_channels, copy.name)
            for value, weight in zip(original.get_weights(), copy.weights, strict=True)
        ]
        graph.set_layer_weights(copy, values)


def _adapt(value, shape, num_channels, name):
    if value.shape == shape:
        return value
    if value.shape == (3,) and shape == (num_channels,):
        return np.full(shape, value.mean(), dtype=value.dtype)
    is_kernel = value.ndim == 4 and value.shape[2] == 3 and shape[2] == num_channels
    if is_kernel and value.shape[:2] + value.shape[3:] == shape[:2] + shape[3:]:
        if num_channels == 1:
            return value.sum(axis=2, keepdims=True)
        repeated = np.take(value, np.arange(num_channels) % 3, axis=2)
        return repeated * np.float32(3 / num_channels)
    raise ValueError(
        f"Cannot fit the pretrained weights of layer '{name}' to {num_channels} channels: its "
        f"shape changes from {value.shape} to {shape}. Received: input_shape with "
        f"{num_channels} channels"
    )
