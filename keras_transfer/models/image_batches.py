"""Pictures in batches of one size, through a function that is traced once."""

import numpy as np
import tensorflow as tf


def check_images(model, images):
    """The pictures as an array, if they fit the model.

    Args:
        model: a `keras.Model` with one picture as its input.
        images: array-like, `(pictures, height, width, channels)`.

    Raises:
        ValueError: for another shape.
    """
    images = np.asarray(images)
    expected = tuple(model.inputs[0].shape[1:])
    fits = images.ndim == 4 and all(
        size in (None, found) for size, found in zip(expected, images.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            "`images` must have the shape (pictures, height, width, channels), here (pictures, "
            f"{', '.join(map(str, expected))}); for one picture give `image[np.newaxis]`. "
            f"Received: images of shape {images.shape}"
        )
    return images


def check_positive(name, value):
    """Raises `ValueError` unless a value is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def traced(function, image_shape, *more):
    """A function of a float32 batch of pictures, and of more tensors, traced once.

    Args:
        function: what is traced.
        image_shape: `(height, width, channels)`.
        *more: the `tf.TensorSpec` of each further argument.

    Returns:
        A function of as many arrays, for batches of any size.
    """
    signature = [tf.TensorSpec((None, *image_shape), "float32"), *more]
    # The concrete one: TensorFlow takes a new `tf.function` a call for a mistake, and warns.
    concrete = tf.function(
        function, input_signature=signature, autograph=False
    ).get_concrete_function()
    return lambda *arrays: concrete(*map(tf.convert_to_tensor, arrays))


def in_batches(function, arrays, batch_size):
    """The results of a function, batch by batch, joined to one array.

    Args:
        function: takes a part of each array, pictures first and as float32, and gives an array
            or a tensor.
        arrays: arrays of one length.
        batch_size: how many rows at most go in at once.

    Returns:
        A float32 array.
    """
    check_positive("batch_size", batch_size)
    if not len(arrays[0]):  # one of zeros tells the shape
        one = [np.zeros((1, *array.shape[1:]), array.dtype) for array in arrays]
        return in_batches(function, one, 1)[:0]
    parts = []
    for start in range(0, len(arrays[0]), batch_size):
        images, *others = (array[start : start + batch_size] for array in arrays)
        parts.append(np.asarray(function(images.astype("float32"), *others), "float32"))
    return np.concatenate(parts)
