"""A network for the rows of a table."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

# A category that is rarer than these is an unknown one.
_MOST_CATEGORIES = 1000


@keras.saving.register_keras_serializable(package="keras_transfer")
class NumberColumns(keras.layers.Layer):
    """Standardizes columns of numbers, and says which of them are missing.

    A missing number, NaN, becomes the mean of its column.

    Input shape: `(batch, columns)`.
    Output shape: `(batch, 2 * columns)`: the standardized numbers, then 1 for each missing one.
    """

    holds_statistics = True

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape=shape, name="mean", trainable=False)
        self.deviation = self.add_weight(
            shape=shape, name="deviation", initializer="ones", trainable=False
        )

    def call(self, numbers):
        missing = keras.ops.isnan(numbers)
        standard = (numbers - self.mean) / self.deviation
        standard = keras.ops.where(missing, keras.ops.zeros_like(standard), standard)
        return keras.ops.concatenate([standard, keras.ops.cast(missing, standard.dtype)], -1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])


def table_network(train: tf.data.Dataset, hidden_units: Sequence[int]) -> keras.Model:
    """A network for the rows of a dataset, with random weights behind its preprocessing."""
    spec = train.element_spec
    columns = spec[0] if isinstance(spec, tuple) else spec
    if not isinstance(columns, dict):
        raise ValueError(
            "A table is a dataset of dicts of columns, such as `data.table` gives. "
            f"Received: element_spec={spec}"
        )
    given = _contents(train)
    inputs = {
        name: keras.Input(
            (1,), dtype="string" if one.dtype == tf.string else "float32", name=name
        )
        for name, one in columns.items()
    }
    numbers = [name for name in inputs if inputs[name].dtype != "string"]
    parts = []
    if numbers:
        joined = [inputs[name] for name in numbers]
        joined = keras.layers.Concatenate(name="numbers")(joined) if joined[1:] else joined[0]
        layer = NumberColumns(name="standardized")
        parts.append(layer(joined))
        rows = np.concatenate([given[name] for name in numbers], axis=1).astype("float64")
        mean, deviation = _moments(rows)
        layer.set_weights([mean, deviation])
    for name in inputs:
        if name not in numbers:
            lookup = keras.layers.StringLookup(
                vocabulary=_categories(given[name]), output_mode="one_hot", name=f"{name}_is"
            )
            parts.append(lookup(inputs[name]))
    x = keras.layers.Concatenate(name="preprocessing")(parts) if parts[1:] else parts[0]
    for number, units in enumerate(hidden_units, 1):
        x = keras.layers.Dense(units, activation="relu", name=f"hidden_{number}")(x)
    return keras.Model(inputs, x, name="table")


def _contents(train):
    """All rows: a dict of name to an array of shape `(rows, 1)`."""
    batches = [element[0] if isinstance(element, tuple) else element for element in train]
    return {
        name: np.concatenate([batch[name].numpy() for batch in batches]) for name in batches[0]
    }


def _moments(rows):
    is_given = ~np.isnan(rows)
    count = np.maximum(is_given.sum(axis=0), 1)
    mean = np.where(is_given, rows, 0).sum(axis=0) / count
    variance = np.where(is_given, (rows - mean) ** 2, 0).sum(axis=0) / count
    return mean, np.where(variance > 0, np.sqrt(variance), 1.0)


def _categories(cells):
    """The categories, the most frequent ones first."""
    names, counts = np.unique(cells.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]
    return [cell.decode() if isinstance(cell, bytes) else str(cell) for cell in names[order]]
