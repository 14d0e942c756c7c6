"""Regression in the units of the targets: their scale, and what a training must beat."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.heads.scaled_dense import ScaledDense

# Standardized targets change these losses by a constant factor, and others in kind.
_SCALED_LOSSES = ("meansquarederror", "meanabsoluteerror")
_TOLERANCE = 1e-4


def scaled_layers(model):
    """The `ScaledDense` of each head that ends in one: a dict by the name of the head."""
    outputs = model.output if isinstance(model.heads, dict) else {None: model.output}
    layers = {name: output._keras_history.operation for name, output in outputs.items()}
    return {name: layer for name, layer in layers.items() if isinstance(layer, ScaledDense)}


def adapt(layers, batches_of_targets):
    """Gives `ScaledDense` layers the mean and the deviation of targets.

    Args:
        layers: a dict of the name of a head to its layer; `{None: layer}` for the only one.
        batches_of_targets: an iterable of the labels of batches.
    """
    found = {name: _Moments(layer.units) for name, layer in layers.items()}
    for targets in batches_of_targets:
        for name, moments in found.items():
            moments.add(targets if name is None else targets[name])
    for name, layer in layers.items():
        layer.adapt(found[name].mean, found[name].deviation)


def targets_of(dataset):
    """Yields the labels of the batches. Without a request it does not begin a pass."""
    for element in dataset:
        yield element[1]


class _Moments:
    """The mean and the deviation of rows that come in batches, in double precision."""

    def __init__(self, units):
        self._units, self._number = units, 0
        self.mean, self._squares = np.zeros(units), np.zeros(units)

    def add(self, values):
        """Adds a batch; the last axis, or a single number, holds the outputs."""
        rows = np.asarray(values, "float64").reshape(-1, self._units)
        if not len(rows):
            return
        number = self._number + len(rows)
        # Chan et al., 1983, equation 2.1: sums of squares would cancel for large means.
        apart = rows.mean(axis=0) - self.mean
        self._squares += rows.var(axis=0) * len(rows)
        self._squares += apart**2 * self._number * len(rows) / number
        self.mean = self.mean + apart * len(rows) / number
        self._number = number

    @property
    def deviation(self):
        return np.sqrt(self._squares / max(self._number, 1))


def standardizes(loss):
    """Whether a compiled loss (None: that of the head) compares standardized numbers."""
    if loss is None:
        return True
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    name = getattr(loss, "__name__", type(loss).__name__)
    return name.replace("_", "").lower() in _SCALED_LOSSES


def warn_if_worse_than_mean(model, validation, loss):
    """Warns if a validation loss is worse than that of predicting the mean of the targets.

    Args:
        model: a `TransferModel`; only one with a single regression head is compared.
        validation: a finite `tf.data.Dataset` of batches, or None.
        loss: the validation loss, or None.
    """
    layer = scaled_layers(model).get(None)
    if layer is None or loss is None or validation is None:
        return
    total, number = 0.0, 0.0
    for element in validation:
        _, targets, weights = keras.utils.unpack_x_y_sample_weight(element)
        shape = (tf.shape(targets)[0], *model.output.shape[1:])
        always_the_mean = tf.broadcast_to(tf.convert_to_tensor(layer.mean), shape)
        of_mean = model.compute_loss(None, targets, always_the_mean, weights, training=False)
        total, number = total + float(of_mean) * len(targets), number + len(targets)
    if not number or not loss > total / number + _TOLERANCE:
        return
    warnings.warn(
        f"The model is worse than its own starting point: its validation loss is {loss:.3g}, "
        f"and predicting the mean of the training targets has {total / number:.3g}. Train "
        "longer, try another learning rate, or look for a mistake in the targets.",
        stacklevel=4,
    )
