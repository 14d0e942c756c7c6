"""Guided backpropagation: what in the pictures excites a channel at one position."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.explanations.stage_grids import as_grid
from keras_transfer.models.image_batches import in_batches, traced
from keras_transfer.models.layer_calls import infer, run_layers

# Positive exactly where their input is. Sigmoids gate other values and are let alone.
_RECTIFIERS = {
    "celu", "elu", "gelu", "hardsilu", "hardswish", "leakyrelu", "mish", "prelu", "relu",
    "relu6", "selu", "silu", "swish",
}  # fmt: skip


def guided_projections(model, pictures, stage, channels, positions, batch_size=32):
    """The guided gradient of one feature a picture with respect to the pixels.

    A gradient passes back through a rectifier (ReLU, ReLU6, leaky ReLU, PReLU, ELU, SELU,
    swish, hard swish, GELU, mish) only where both it and the rectifier's input are positive.
    For ReLU and ReLU6 this is guided backpropagation to the letter; the smooth ones, for which
    nothing is published, keep their own slope where their input is positive and pass nothing
    where it is negative. Sigmoids, as in squeeze-and-excitation, keep their plain gradient.

    Args:
        model: a functional `keras.Model` from images to features; it is not changed.
        pictures: `(pictures, height, width, channels)` in [0, 255].
        stage: the name of an operation with positions.
        channels: one channel for each picture.
        positions: `(row, column)` in the stage's grid for each picture.
        batch_size: how many pictures are computed at once. Defaults to 32.

    Returns:
        A float32 array of the pictures' shape.

    Reference: Springenberg et al., Striving for Simplicity: The All Convolutional Net, 2015,
    section 3.4; Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013.
    """
    part = keras.Model(model.inputs[0], graph.output_of(model, stage))

    def project(images, places):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            features = as_grid(run_layers(part, images, _guided))
            values = tf.gather_nd(features, places, batch_dims=1)
        return tape.gradient(values, images)

    places = np.column_stack([positions, channels]).astype("int32")
    compute = traced(project, pictures.shape[1:], tf.TensorSpec((None, 3), "int32"))
    return in_batches(compute, [pictures, places], batch_size)


def _guided(operation, *args, **kwargs):
    output = infer(operation, *args, **kwargs)
    return _pass_positive(output) if is_rectifier(operation) else output


def is_rectifier(operation):
    """Whether an operation is a rectifier, or ends in one (`Conv2D(activation="relu")`)."""
    activation = getattr(operation, "activation", None)
    name = getattr(activation, "__name__", None) or type(operation).__name__
    return name.lower().replace("_", "") in _RECTIFIERS


@tf.custom_gradient
def _pass_positive(values):
    """The values; back through them goes what is positive, where they are."""

    def gradient(upstream):
        passes = (upstream > 0) & (values > 0)
        return tf.where(passes, upstream, tf.zeros_like(upstream))

    return tf.identity(values), gradient
