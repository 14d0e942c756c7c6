"""The input of a pretrained network: its preprocessing, and channels other than RGB."""

import keras
import numpy as np
from keras.applications import imagenet_utils

from keras_transfer.backbones import graph

# Means and deviations of `keras.applications.imagenet_utils`, averaged over the colors, for
# inputs that are not RGB. "caffe" has the range [0, 255], "torch" [0, 1].
CONVENTIONS = ("none", "tf", "caffe", "torch")
_CAFFE_MEAN = sum((103.939, 116.779, 123.68)) / 3
_TORCH_MEAN = sum((0.485, 0.456, 0.406)) / 3
_TORCH_STD = sum((0.229, 0.224, 0.225)) / 3

# Constants per color in the graph of a network.
_PER_COLOR = {
    keras.layers.Normalization: ("mean", "variance"),
    keras.layers.Rescaling: ("scale", "offset"),
}


@keras.saving.register_keras_serializable(package="keras_transfer")
class Preprocessing(keras.layers.Layer):
    """Converts raw images to the input that a pretrained network expects.

    `Backbone` adds it as the layer `preprocessing`. It computes in float32 under every dtype
    policy, since half precision would round pixels.

    Args:
        mode: `"tf"` scales to [-1, 1]; `"caffe"` converts RGB to BGR and subtracts the mean
            color of ImageNet; `"torch"` scales to [0, 1] and normalizes with the mean and
            standard deviation of each color; `"none"` (the default) only converts to float32.
            If there are not 3 channels, "caffe" and "torch" use the mean over the colors.
        dtype: dtype or dtype policy of the layer. Defaults to `"float32"`.

    Input shape: `(batch, height, width, channels)`, uint8 or float in [0, 255].
    Output shape: the same, float32.

    Example:
        >>> float(Preprocessing("tf")(np.full((1, 2, 2, 3), 255.0))[0, 0, 0, 0])
        1.0
    """

    def __init__(self, mode: str = "none", dtype: str = "float32", **kwargs):
        if mode not in CONVENTIONS:
            raise ValueError(f"`mode` must be one of {CONVENTIONS}. Received: mode={mode!r}")
        super().__init__(dtype=dtype, **kwargs)
        self.mode = mode

    def call(self, images):
        images = keras.ops.cast(images, "float32")
        if self.mode == "none":
            return images
        if self.mode == "tf" or images.shape[-1] == 3:
            return imagenet_utils.preprocess_input(
                images, data_format="channels_last", mode=self.mode
            )
        if self.mode == "caffe":
            return images - _CAFFE_MEAN
        return (images / 255.0 - _TORCH_MEAN) / _TORCH_STD

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}


def colorless_config(layer, config):
    """The config of a layer with constants per color replaced by their mean."""
    for kind, keys in _PER_COLOR.items():
        if isinstance(layer, kind):
            colors = [key for key in keys if np.shape(config.get(key)) == (3,)]
            config = {**config, **{key: float(np.mean(config[key])) for key in colors}}
    return config


def adapt_weights(copies, num_channels):
    """Adapts the weights of an RGB network to copies that read `num_channels` channels.

    For one channel, the kernel of the first convolution is summed over the colors, which equals
    feeding the gray image three times. For more channels it is repeated (R, G, B, R, …) and
    multiplied by `3 / num_channels`: an image that is equal in all channels keeps its output.
    `copies` is what `graph.flat_copy` returns.
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
        f"Cannot adapt the weights of layer '{name}' to {num_channels} channels: its "
        f"shape changes from {value.shape} to {shape}. Received: input_shape with "
        f"{num_channels} channels"
    )
