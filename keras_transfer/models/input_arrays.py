"""Inputs as users have them: texts, lists, and columns and tables of NumPy and pandas."""

import numpy as np
import tensorflow as tf

# How a missing value of Python, NumPy or pandas prints.
_MISSING = ("None", "nan", "<NA>", "NaT")


def as_inputs(data, inputs):
    """The data as Keras takes them; anything but texts, dicts and tables stays as it is.

    Args:
        data: what `fit`, `evaluate` or `predict` got.
        inputs: the input tensors of the model.

    Raises:
        ValueError: if a dict lacks an input, or has another one.
    """
    columns = {one.name: one.dtype for one in inputs if tuple(one.shape[1:]) == (1,)}
    if len(columns) == len(inputs) and _is_table(data):
        data = {name: data[name] for name in data.columns}
    if not isinstance(data, dict):
        return _with_texts(data)
    names = [one.name for one in inputs]
    if len(names) == len(data) == 1:  # the only column is the only input, whatever its name
        data = dict(zip(names, data.values(), strict=True))
    if {*names} != {*data}:
        raise ValueError(
            f"The model takes a dict of the inputs {', '.join(map(repr, names))}. "
            f"Received: {', '.join(map(repr, data))}"
        )
    return {
        name: _as_column(values, columns[name]) if name in columns else _with_texts(values)
        for name, values in data.items()
    }


def arguments_as_inputs(given, inputs):
    """The same for the arguments of `fit` and `evaluate`, a dict, with labels and weights."""
    converted = {
        name: as_labels(given[name]) for name in ("y", "sample_weight") if name in given
    }
    if "validation_data" in given:
        converted["validation_data"] = pair_as_inputs(given["validation_data"], inputs)
    return {**given, **converted, "x": as_inputs(given.get("x"), inputs)}


def pair_as_inputs(data, inputs):
    """The same for a tuple of inputs, labels and weights; other data stay as they are."""
    if not isinstance(data, (tuple, list)) or not data:
        return data
    return (as_inputs(data[0], inputs), *map(as_labels, data[1:]))


def as_labels(labels):
    """A column of pandas as an array; other labels stay as they are.

    Keras gives a column two axes, and then fails on labels with one: "Cannot take the length of
    shape with unknown rank".
    """
    if isinstance(labels, dict):
        return {name: as_labels(one) for name, one in labels.items()}
    return np.asarray(labels) if hasattr(labels, "to_numpy") and labels.ndim == 1 else labels


def _is_table(data):
    """Whether the data are a table of pandas, or another one with names of columns."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__")


def _with_texts(data):
    """The data, with texts as tensors: Keras does not take NumPy's strings."""
    if isinstance(data, list) and data and all(isinstance(text, str) for text in data):
        return tf.constant(data)
    is_object = isinstance(data, np.ndarray) and data.dtype.kind in "OU"
    # An array of objects may also hold numbers.
    if is_object and all(isinstance(text, (str, bytes)) for text in data.flat):
        return tf.constant(data.tolist())
    return data


def _as_column(values, dtype):
    """Values of one axis, such as a list or a column of pandas, in the shape `(n, 1)`.

    A missing one becomes "" among texts, and NaN among numbers, as `data.table` reads it.
    """
    if isinstance(values, tf.Tensor):
        return tf.reshape(values, (-1, 1)) if values.shape.rank == 1 else values
    values = np.asarray(values)
    missing = "" if dtype == "string" else np.nan
    if values.dtype.kind == "O":
        cells = [missing if _is_missing(cell) else cell for cell in values.flat]
        values = np.array(cells, object if dtype == "string" else dtype).reshape(values.shape)
    return _with_texts(values.reshape(-1, 1) if values.ndim == 1 else values)


def _is_missing(cell):
    return not isinstance(cell, (str, bytes)) and str(cell) in _MISSING
