"""What a head computes for images, layer by layer, before and after its activation."""

import contextlib
import functools

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.models.checks import check_model
from keras_transfer.models.image_batches import check_images, over_batches


def run_layers(model, images, call):
    """Computes a model's output with `call(operation, *args)` in the place of each call.

    Every tensor can be reached, also on a branch and inside a nested model, and the model's
    graph gets no node.
    """
    return graph.replay(model, images, lambda operation: functools.partial(call, operation))


def infer(operation, *args, **kwargs):
    """Calls an operation in inference mode."""
    is_layer = isinstance(operation, keras.Layer)
    if is_layer and "training" in operation._call_signature.parameters:
        kwargs["training"] = False
    return operation(*args, **kwargs)


def output_layer(model, head=None):
    """The last layer of a head, a `Dense`; `ValueError` if there is none."""
    heads = model.heads
    if isinstance(heads, dict) and head is None and len(heads) == 1:
        (head,) = heads
    names = list(heads) if isinstance(heads, dict) else [None]
    if head not in names:
        expected = f"one of {names}" if isinstance(heads, dict) else "None: the model has one"
        raise ValueError(f"`head` must be {expected}. Received: head={head!r}")
    tensor = model.output if head is None else model.output[head]
    layer = tensor._keras_history.operation
    if not isinstance(layer, keras.layers.Dense):
        raise ValueError(
            "A head must end in a `keras.layers.Dense`, whose output before the activation is "
            f"explained. Received: '{layer.name}' (of type {type(layer).__name__})"
        )
    return layer


def head_values(model, images, layer, observe=None):
    """The logits of one batch, float32 `(batch, units)`.

    They are means over the positions where the head keeps these (`pooling="none"`). `observe`
    is called with each operation and its output.
    """
    found = []

    def call(operation, *args, **kwargs):
        output = infer(operation, *args, **kwargs)
        if operation is layer:
            found.append(_before_activation(layer, *args))
        if observe is not None:
            observe(operation, output)
        return output

    run_layers(model, images, call)
    values = tf.cast(found[-1], "float32")
    return tf.reduce_mean(values, axis=tuple(range(1, values.shape.rank - 1)))


def _before_activation(layer, features):
    if layer.activation is keras.activations.linear:  # it may have a scale
        return layer(features)
    values = keras.ops.matmul(keras.ops.cast(features, layer.compute_dtype), layer.kernel)
    return values if layer.bias is None else values + layer.bias


def logits(model, images, head=None, batch_size=32):
    """The outputs of a head before its activation, a float32 array `(images, units)`."""
    images = check_images(model, images)
    layer = output_layer(model, head)
    return over_batches(lambda batch: head_values(model, batch, layer), [images], batch_size)


@contextlib.contextmanager
def before_activation(model):
    """Within it, `predict` of a model with one head returns its outputs before the activation.

    A softmax loses them: in float32 a probability below 1e-45 is zero.
    """
    layer = output_layer(model)
    activation, layer.activation = layer.activation, keras.activations.linear
    model.forget_predict_function()
    try:
        yield
    finally:
        layer.activation = activation
        model.forget_predict_function()


def check_explained(model, images, class_index, head=None, batch_size=32):
    """The images, the head's output layer, and the class to explain in each image.

    The classes are an int32 array; the most probable ones if `class_index` is None.
    """
    check_model(model)
    images = check_images(model, images)
    layer, count = output_layer(model, head), len(images)
    if class_index is None:
        return images, layer, logits(model, images, head, batch_size).argmax(1).astype("int32")
    classes = np.asarray(class_index)
    is_fit = classes.dtype.kind in "iu" and classes.shape in ((), (count,))
    if not is_fit or not np.all((classes >= 0) & (classes < layer.units)):
        raise ValueError(
            f"`class_index` must be None, an integer, or an integer for each of the {count} "
            f"images, at least 0 and below {layer.units}. Received: class_index={class_index!r}"
        )
    return images, layer, np.broadcast_to(classes, (count,)).astype("int32")


def class_values(model, images, layer, classes, observe=None):
    """The logit of each image's class; arguments as of `head_values`."""
    values = head_values(model, images, layer, observe)
    return tf.gather(values, classes, batch_dims=1)
