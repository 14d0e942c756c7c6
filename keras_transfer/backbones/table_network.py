"""A network for the rows of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# A category that is rarer than these is an unknown one.
_MOST_CATEGORIES = 1000


@keras.saving.register_keras_serializable(package="keras_transfer")
class NumberColumns(keras.layers.Layer):
    """Standardizes columns of numbers, and says which of them are missing.

    A missing number, NaN, becomes the mean of its column.

    Args:
        mean: of each column. Defaults to 0.0.
        deviation: the standard deviation of each column. Defaults to 1.0.

    Input shape: `(batch, columns)`.
    Output shape: `(batch, 2 * columns)`: the standardized numbers, then 1 for each missing one.
    """

    holds_statistics = True

    def __init__(
        self,
        mean: Sequence[float] | float = 0.0,
        deviation: Sequence[float] | float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.mean, self.deviation = mean, deviation

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self._mean, self._deviation = (
            self.add_weight(shape=shape, name=name, trainable=False)
            for name in ("mean", "deviation")
        )
        for weight, given in ((self._mean, self.mean), (self._deviation, self.deviation)):
            weight.assign(np.broadcast_to(given, shape))

    def call(self, numbers):
        missing = keras.ops.isnan(numbers)
        standard = (numbers - self._mean) / self._deviation
        standard = keras.ops.where(missing, keras.ops.zeros_like(standard), standard)
        return keras.ops.concatenate([standard, keras.ops.cast(missing, standard.dtype)], -1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "deviation": self.deviation}


def table_network(
    train: tf.data.Dataset | Mapping[str, np.ndarray], hidden_units: Sequence[int]
) -> keras.Model:
    """A network for the rows of a dataset, with random weights behind its preprocessing."""
    given = train if isinstance(train, Mapping) else _contents(train)
    inputs = {
        name: keras.Input(
            (1,), dtype="float32" if values.dtype.kind in "fiu" else "string", name=name
        )
        for name, values in given.items()
    }
    numbers = [name for name in inputs if inputs[name].dtype != "string"]
    parts = []
    if numbers:
        joined = [inputs[name] for name in numbers]
        joined = (
            keras.layers.Concatenate(name="number_columns")(joined) if joined[1:] else joined[0]
        )
        rows = np.concatenate([given[name] for name in numbers], axis=1).astype("float64")
        mean, deviation = (found.tolist() for found in _moments(rows))
        parts.append(NumberColumns(mean, deviation, name="standardized_numbers")(joined))
    # Not named by the column: its name may hold anything, and that of a layer may not.
    for number, name in enumerate((name for name in inputs if name not in numbers), 1):
        lookup = keras.layers.StringLookup(
            vocabulary=_categories(given[name]),
            output_mode="one_hot",
            name=f"category_{number}",
        )
        parts.append(lookup(inputs[name]))
    x = keras.layers.Concatenate(name="encoded_columns")(parts) if parts[1:] else parts[0]
    for number, units in enumerate(hidden_units, 1):
        x = keras.layers.Dense(units, activation="relu", name=f"hidden_{number}")(x)
    return keras.Model(inputs, x, name="table")


def _contents(train):
    """All rows: a dict of name to an array of shape `(rows, 1)`."""
    spec = train.element_spec
    if not isinstance(spec[0] if isinstance(spec, tuple) else spec, dict):
        raise ValueError(
            "A table is a dataset of dicts of columns, such as `data.table` gives. "
            f"Received: element_spec={spec}"
        )
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
