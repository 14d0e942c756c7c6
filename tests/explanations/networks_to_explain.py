"""Networks whose explanations can be computed by hand."""

import keras
import numpy as np

from keras_transfer.backbones import Backbone
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel

SIZE = 8
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(1, 255, (5, SIZE, SIZE, 3)).astype("float32")


def see_pixels(half=False):
    """A backbone whose features are the pixels; with `half`, 0 in the right half."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="see")(inputs)
    if half:
        x = keras.layers.Cropping2D(((0, 0), (0, SIZE // 2)), name="crop")(x)
        x = keras.layers.ZeroPadding2D(((0, 0), (0, SIZE // 2)), name="zeros")(x)
    network = keras.Model(inputs, x, name="see_pixels")
    network.get_layer("see").set_weights([np.eye(3)[np.newaxis, np.newaxis]])
    return Backbone.from_model(network)


def pixel_model(kernel=None, bias=(0.5, -0.5), half=False, head=None):
    """A linear model of the mean pixel, with two classes."""
    model = TransferModel(see_pixels(half), head or SoftmaxHead(2))
    layer = model.get_layer("head_output")
    kernel = KERNEL if kernel is None else kernel
    layer.set_weights([np.asarray(kernel, "float32"), np.asarray(bias, "float32")])
    return model


KERNEL = np.array([[2.0, -1.0], [-1.0, 1.0], [0.5, 3.0]])


def tokens_model(class_token=False):
    """A network over a four by four grid of tokens, and a class token."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, 2, strides=2, name="patches")(inputs)
    x = keras.layers.Reshape((16, 4), name="tokens")(x)
    if class_token:
        x = keras.layers.ZeroPadding1D((1, 0), name="class_token")(x)
    x = keras.layers.Dense(4, activation="relu", name="mix")(x)
    x = keras.layers.LayerNormalization(name="norm")(x)
    backbone = Backbone.from_model(keras.Model(inputs, x, name="transformer"))
    return TransferModel(backbone, SoftmaxHead(2))


def weights_of(model):
    return [value.copy() for value in model.get_weights()]


def assert_same_weights(model, before):
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
