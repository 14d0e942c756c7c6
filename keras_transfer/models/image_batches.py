"""Images in batches of one size, through a function that is traced once."""

import numpy as np
import tensorflow as tf

from keras_transfer._python_functions import with_own_gradients


def check_images(model, images):
    """The images as an array; raises `ValueError` if their shape does not fit the model."""
    images = np.asarray(images)
    expected = tuple(model.inputs[0].shape[1:])
    fits = images.ndim == 4 and all(
        size in (None, found) for size, found in zip(expected, images.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            "`images` must have the shape (images, height, width, channels), here (images, "
            f"{', '.join(map(str, expected))}); for one image pass `image[np.newaxis]`. "
            f"Received: images of shape {images.shape}"
        )
    return images


def check_positive(name, value):
    """Raises `ValueError` unless a value is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def traced(function, images, *others):
    """A function of float32 images and of further arrays, in batches of any size, traced once.

    The arrays given here are examples of their shapes and dtypes.
    """
    signature = [
        tf.TensorSpec((None, *array.shape[1:]), "float32" if array is images else array.dtype)
        for array in (images, *others)
    ]
    # The concrete function: TensorFlow warns of retracing when each call makes a `tf.function`.
    concrete = tf.function(
        with_own_gradients(function), input_signature=signature, autograph=False
    ).get_concrete_function()
    return lambda *arrays: concrete(*map(tf.convert_to_tensor, arrays))


def over_batches(function, arrays, batch_size):
    """`in_batches` for a function of tensors, traced if there are several batches.

    Tracing a network takes as long as running it once without a trace.
    """
    if len(arrays[0]) > batch_size:
        return in_batches(traced(function, *arrays), arrays, batch_size)
    return in_batches(
        lambda *batch: function(*map(tf.convert_to_tensor, batch)), arrays, batch_size
    )


def in_batches(function, arrays, batch_size):
    """The float32 results of a function of each batch, the images as float32, concatenated."""
    check_positive("batch_size", batch_size)
    if not len(arrays[0]):  # one row of zeros gives the shape
        one = [np.zeros((1, *array.shape[1:]), array.dtype) for array in arrays]
        return in_batches(function, one, 1)[:0]
    parts = []
    for start in range(0, len(arrays[0]), batch_size):
        images, *others = (array[start : start + batch_size] for array in arrays)
        parts.append(np.asarray(function(images.astype("float32"), *others), "float32"))
    return np.concatenate(parts)
