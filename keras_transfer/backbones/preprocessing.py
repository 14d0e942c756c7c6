"""The input of a pretrained network: its preprocessing, and channels other than RGB."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_transfer._applications import CONVENTIONS
from keras_transfer.backbones import graph

# Constants per color in the graph of a network.
_PER_COLOR = {
    keras.layers.Normalization: ("mean", "variance"),
    keras.layers.Rescaling: ("scale", "offset"),
}


@keras.saving.register_keras_serializable(package="keras_transfer")
class Preprocessing(keras.layers.Layer):
    """Converts raw images to the input that a pretrained network expects.

    `Backbone` adds it as the layer `preprocessing`. It computes
    `(images * scale - mean) / std` in float32 under every dtype policy, since half precision
    would round pixels.

    Args:
        mode: a convention of `keras.applications`, in place of the other arguments: `"tf"`
            scales to [-1, 1]; `"caffe"` converts RGB to BGR and subtracts the mean color of
            ImageNet; `"torch"` scales to [0, 1] and normalizes with the mean and standard
            deviation of each color. `"none"` is the default.
        mean: a number, or one for each channel in `channel_order`. Defaults to 0.
        std: a number, or one for each channel. Defaults to 1.
        scale: factor of the pixels, such as `1 / 255`. Defaults to 1.
        channel_order: `"rgb"` (the default), or `"bgr"` for a network that takes blue first.
        dtype: dtype or dtype policy of the layer. Defaults to `"float32"`.

    Input shape: `(batch, height, width, channels)`, uint8 or float in [0, 255]. If there are
        not 3 channels, the mean and the deviation of three colors are averaged.
    Output shape: the same, float32.

    Raises:
        ValueError: if an argument has another value, or `mode` is beside others.

    Example:
        >>> images = np.full((1, 2, 2, 3), 255.0)
        >>> float(backbones.Preprocessing("tf")(images)[0, 0, 0, 0])
        1.0
        >>> own = backbones.Preprocessing(scale=1 / 255, mean=0.5, std=0.25)
        >>> float(own(images)[0, 0, 0, 0])
        2.0
    """

    def __init__(
        self,
        mode: str = "none",
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
        scale: float = 1.0,
        channel_order: str = "rgb",
        dtype: str = "float32",
        **kwargs,
    ):
        if mode not in CONVENTIONS:
            known = tuple(CONVENTIONS)
            raise ValueError(f"`mode` must be one of {known}. Received: mode={mode!r}")
        super().__init__(dtype=dtype, **kwargs)
        given = {"mean": _numbers(mean), "std": _numbers(std), "scale": _numbers(scale)}
        given["channel_order"] = channel_order
        if channel_order not in ("rgb", "bgr"):
            raise ValueError(
                f"`channel_order` must be 'rgb' or 'bgr'. Received: {channel_order!r}"
            )
        if isinstance(given["scale"], tuple) or not given["scale"] > 0 or not np.all(std):
            raise ValueError(
                "`scale` must be a positive number, and `std` not 0. "
                f"Received: scale={scale!r}, std={std!r}"
            )
        if mode != "none" and given != _NOTHING:
            raise ValueError(
                f"`mode='{mode}'` determines the other arguments. Leave it out, or them. "
                f"Received: mode={mode!r}, {given}"
            )
        self.mode = mode
        self.mean, self.std, self.scale = given["mean"], given["std"], given["scale"]
        self.channel_order = channel_order

    @property
    def constants(self) -> dict:
        """`scale`, `mean`, `std` and `channel_order`, those of a `mode` too."""
        given = {name: getattr(self, name) for name in _NOTHING}
        return given if self.mode == "none" else {**_NOTHING, **CONVENTIONS[self.mode]}

    def constants_for(self, num_channels: int) -> tuple:
        """The scale, the mean, the std, and whether the colors change places, for images.

        Raises `ValueError` if there is another number of means than of channels.
        """
        found = self.constants
        mean, std = (_for_channels(found[name], num_channels) for name in ("mean", "std"))
        is_bgr = found["channel_order"] == "bgr" and num_channels == 3
        return found["scale"], mean, std, is_bgr

    def call(self, images):
        scale, mean, std, is_bgr = self.constants_for(images.shape[-1])
        images = keras.ops.cast(images, "float32")
        if scale != 1:
            # Divided, as `keras.applications` and PyTorch do: a product has other last bits.
            images = images / (1 / scale)
        if is_bgr:
            images = keras.ops.stack([images[..., color] for color in (2, 1, 0)], axis=-1)
        if np.any(mean):
            images = images - np.asarray(mean, "float32")
        return images if np.all(np.equal(std, 1)) else images / np.asarray(std, "float32")

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        given = {name: getattr(self, name) for name in ("mode", *_NOTHING)}
        return {**super().get_config(), **given}


_NOTHING = {"scale": 1.0, "mean": 0.0, "std": 1.0, "channel_order": "rgb"}


def _numbers(value):
    return tuple(map(float, value)) if np.ndim(value) else float(value)


def _for_channels(values, num_channels):
    if not isinstance(values, tuple) or len(values) == num_channels:
        return values
    if len(values) == 3:
        return sum(values) / 3
    raise ValueError(
        f"`Preprocessing` has {len(values)} values for images of {num_channels} channels. "
        f"Received: {values}"
    )


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
