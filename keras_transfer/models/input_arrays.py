"""Inputs as users have them: texts, lists, and columns of NumPy and pandas."""

import numpy as np
import tensorflow as tf


def as_inputs(data, inputs):
    """The data as Keras takes them; anything but texts and dicts stays as it is.

    Args:
        data: what `fit`, `evaluate` or `predict` got.
        inputs: the input tensors of the model.

    Raises:
        ValueError: if a dict lacks an input, or has another one.
    """
    if not isinstance(data, dict):
        return _with_texts(data)
    names = [one.name for one in inputs]
    if names[1:] and {*names} != {*data}:
        raise ValueError(
            f"The model takes a dict of the inputs {', '.join(map(repr, names))}. "
            f"Received: {', '.join(map(repr, data))}"
        )
    columns = {one.name for one in inputs if tuple(one.shape[1:]) == (1,)}
    return {
        name: _with_texts(_as_column(values) if name in columns else values)
        for name, values in data.items()
    }


def _with_texts(data):
    """The data, with texts as tensors: Keras does not take NumPy's strings."""
    if isinstance(data, list) and data and all(isinstance(text, str) for text in data):
        return tf.constant(data)
    is_object = isinstance(data, np.ndarray) and data.dtype.kind in "OU"
    # An array of objects may also hold numbers.
    if is_object and all(isinstance(text, (str, bytes)) for text in data.flat):
        return tf.constant(data.tolist())
    return data


def _as_column(values):
    """Values of one axis, such as a list or a column of pandas, in the shape `(n, 1)`."""
    if isinstance(values, list):
        values = np.asarray(values)
    return np.asarray(values).reshape(-1, 1) if getattr(values, "ndim", 2) == 1 else values
