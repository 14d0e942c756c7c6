"""What a head computes before its activation."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.models.image_batches import check_images, in_batches, traced
from keras_transfer.models.layer_calls import infer, run_layers


def logits(model, images, head=None, batch_size=32):
    """The outputs of a head before its activation: the logits of its softmax or sigmoids.

    Args:
        model: a `TransferModel`; it is not changed.
        images: `(pictures, height, width, channels)` in [0, 255].
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: how many pictures are computed at once. Defaults to 32.

    Returns:
        A float32 array `(pictures, units)`. Where the head keeps the positions
        (`pooling="none"`) it is the mean over them.

    Raises:
        ValueError: if the pictures do not fit, or there is no such head.
    """
    images = check_images(model, images)
    layer = output_layer(model, head)
    compute = traced(lambda batch: head_logits(model, batch, layer), images.shape[1:])
    return in_batches(compute, [images], batch_size)


def output_layer(model, head=None):
    """The last layer of a head, a `Dense`, or an error that names the heads there are."""
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
            "What a head computes before its activation is explained, and for that it must end "
            f"in a `keras.layers.Dense`. Received: '{layer.name}' (of type "
            f"{type(layer).__name__})"
        )
    return layer


def head_logits(model, images, layer, observe=None):
    """The logits of one batch, for use in a `tf.function`.

    Args:
        model: a `TransferModel`.
        images: a float32 tensor.
        layer: the head's last, of `output_layer`.
        observe: a function of an operation and its output, called for each. Defaults to None.

    Returns:
        A float32 tensor `(batch, units)`.
    """
    found = []

    def call(operation, *args, **kwargs):
        if operation is layer:
            found.append(_before_activation(layer, *args))
        output = infer(operation, *args, **kwargs)
        if observe is not None:
            observe(operation, output)
        return output

    run_layers(model, images, call)
    return _without_positions(found[-1])


def head_outputs(model, images, layer):
    """What the head gives for one batch, its activation included; as `head_logits`."""
    found = []

    def call(operation, *args, **kwargs):
        output = infer(operation, *args, **kwargs)
        if operation is layer:
            found.append(output)
        return output

    run_layers(model, images, call)
    return _without_positions(found[-1])


def _before_activation(layer, features):
    values = keras.ops.matmul(keras.ops.cast(features, layer.compute_dtype), layer.kernel)
    values = values if layer.bias is None else values + layer.bias
    return tf.cast(values, "float32")


def _without_positions(values):
    return tf.reduce_mean(values, axis=tuple(range(1, values.shape.rank - 1)))


def check_classes(class_index, num_pictures, layer):
    """The class to explain for each picture: an int32 array; -1 for the most probable.

    Args:
        class_index: None, an integer, or one for each picture.
        num_pictures: how many there are.
        layer: the head's last; its units are the classes.

    Raises:
        ValueError: for classes that there are not.
    """
    if class_index is None:
        return np.full(num_pictures, -1, "int32")
    classes = np.asarray(class_index)
    is_fit = classes.dtype.kind in "iu" and classes.shape in ((), (num_pictures,))
    if not is_fit or not np.all((classes >= 0) & (classes < layer.units)):
        raise ValueError(
            "`class_index` must be None, an integer, or an integer for each of the "
            f"{num_pictures} pictures, at least 0 and below {layer.units}. "
            f"Received: class_index={class_index!r}"
        )
    return np.broadcast_to(classes, (num_pictures,)).astype("int32")


def chosen_classes(model, images, class_index, head, batch_size):
    """As `check_classes`, with the most probable classes computed."""
    layer = output_layer(model, head)
    classes = check_classes(class_index, len(images), layer)
    if class_index is None:
        classes = logits(model, images, head, batch_size).argmax(axis=1).astype("int32")
    return classes


def class_scores(values, classes):
    """The value of each row's class, the largest one where the class is -1."""
    classes = tf.where(classes < 0, tf.argmax(values, axis=1, output_type="int32"), classes)
    return tf.gather(values, classes, batch_dims=1)
