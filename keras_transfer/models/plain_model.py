"""A model of Keras' own layers, for someone without this library."""

import keras
import numpy as np

from keras_transfer.backbones import graph
from keras_transfer.backbones.frozen_mode import set_trainable_flags, trainable_flags
from keras_transfer.backbones.preprocessing import Preprocessing
from keras_transfer.heads import GeneralizedMeanPooling
from keras_transfer.heads.scaled_dense import ScaledDense
from keras_transfer.heads.upsampling import UpsampleTo


def plain_model(model):
    """The ordinary `keras.Model` that computes the same as a `TransferModel`.

    Raises `ValueError` if a layer is neither of Keras nor of this library.
    """
    foreign = [
        f"'{operation.name}' (of type {type(operation).__name__})"
        for operation in graph.forward_operations(model)
        if _module(operation) not in ("keras", "keras_transfer")
    ]
    if foreign:
        raise ValueError(
            "Only layers of Keras can be loaded without the code of a layer. "
            f"Received: a model with {', '.join(foreign)}"
        )
    copies = {}

    def clone(operation):
        if operation not in copies:
            copies[operation] = _copy_of(operation)
        return copies[operation]

    inputs = [graph.same_input(tensor) for tensor in model.inputs]
    named = {tensor.name: tensor for tensor in inputs} if inputs[1:] else inputs[0]
    plain = keras.Model(named, graph.replay(model, inputs, clone), name=model.name)
    for operation, copy in copies.items():
        if isinstance(copy, keras.Layer):
            copy.trainable = operation.trainable
            if type(copy) is type(operation):  # the base kernel of LoRA stays frozen
                set_trainable_flags([copy], trainable_flags([operation]))
            if isinstance(operation, ScaledDense):
                graph.set_layer_weights(copy, list(operation.as_plain()))
            else:
                graph.copy_state(operation, copy)
    return plain


def _module(operation):
    return type(operation).__module__.split(".")[0]


def _copy_of(operation):
    """What to call in the place of an operation: a layer, or operations of Keras."""
    if isinstance(operation, Preprocessing):
        return _preprocessing(operation)
    if isinstance(operation, GeneralizedMeanPooling):
        return _generalized_mean(float(operation.exponent.numpy()), operation.epsilon)
    if isinstance(operation, ScaledDense):
        return keras.layers.Dense.from_config(operation.get_config())
    if isinstance(operation, UpsampleTo):
        return _upsampling(operation)
    copy = type(operation).from_config(operation.get_config())
    copy.name = operation.name
    return copy


def _preprocessing(layer):
    def convert(images):
        scale, mean, std, is_bgr = layer.constants_for(images.shape[-1])
        if is_bgr:
            images = keras.ops.flip(images, axis=-1)
        factor, offset = np.divide(scale, std).tolist(), np.divide(mean, -np.asarray(std))
        return keras.layers.Rescaling(
            factor, offset.tolist(), name=layer.name, dtype="float32"
        )(images)

    return convert


def _upsampling(layer):
    def enlarge(images, reference=None):
        height, width = layer.size or reference.shape[1:3]
        whole = layer.enlarged_size(images.shape[1:3], (height, width))
        return keras.ops.image.resize(images, whole)[:, :height, :width]

    return enlarge


def _generalized_mean(exponent, epsilon):
    def pool(features):
        axes = tuple(range(1, len(features.shape) - 1))
        features = keras.ops.cast(features, "float32")
        powers = keras.ops.power(keras.ops.maximum(features, epsilon), exponent)
        return keras.ops.power(keras.ops.mean(powers, axis=axes), 1.0 / exponent)

    return pool
