"""A model computed layer by layer, so that what happens in it can be watched and changed."""

import functools

import keras

from keras_transfer.backbones import graph


def run_layers(model, images, call):
    """Computes a model's output with a function in the place of each call of a layer.

    The model stays as it is: no layer is copied and no node is added to its graph, so that
    every tensor in it can be reached, whichever path it lies on.

    Args:
        model: a functional `keras.Model`, nested models allowed.
        images: a tensor, `(batch, height, width, channels)`.
        call: a function that takes an operation and its arguments and gives its output;
            `infer` is the plain one.

    Returns:
        The outputs, in the structure of `model.output`.
    """
    return graph.replay(model, images, lambda operation: functools.partial(call, operation))


def infer(operation, *args, **kwargs):
    """Calls an operation in inference mode."""
    is_layer = isinstance(operation, keras.Layer)
    if is_layer and "training" in operation._call_signature.parameters:
        kwargs["training"] = False
    return operation(*args, **kwargs)
