"""The head for regression, and the base of the other heads."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_transfer.heads.head import Head
from keras_transfer.heads.pooling import POOLINGS, pool
from keras_transfer.heads.scaled_dense import ScaledDense

_NORMALIZATIONS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    None: None,
}


@keras.saving.register_keras_serializable(package="keras_transfer")
class DenseHead(Head):
    """A head for regression: pooling, hidden layers if wanted, and a dense output.

    The output is float32 under every dtype policy.

    A linear output is in the units of the targets, and starts at their mean: `fit` and
    `fine_tune` set the mean and the deviation of the training targets once, for each output.
    The squared and the absolute error are then those of standardized targets, so a loss of 1
    is that of predicting the mean; metrics are in the units of the targets.

    Args:
        units: number of outputs.
        activation: activation of the output. Defaults to None, linear.
        hidden_units: sizes of the hidden layers, in order. Defaults to `()`, none.
        hidden_activation: activation of the hidden layers. Defaults to `"relu"`.
        normalization: `"batch"`, `"layer"` or None, between a hidden layer and its activation.
            Defaults to None.
        pooling: `"avg"`, `"max"`, `"avgmax"` (both, concatenated), `"gem"` (a generalized mean
            with a learned exponent), `"flatten"` or `"none"`. Defaults to `"avg"`.
        dropout: dropout rate before every dense layer. Defaults to 0.0.
        loss_weight: weight of this loss in a model with several heads. Defaults to 1.0.

    Input shape: `(batch, rows, columns, features)`, `(batch, positions, features)` or
        `(batch, features)`.
    Output shape: `(batch, units)`; `pooling="none"` keeps the positions.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> model = models.TransferModel(backbone, heads=heads.DenseHead(2, hidden_units=(8,)))
        >>> model.output_shape
        (None, 2)
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        hidden_units: Sequence[int] = (),
        hidden_activation: str = "relu",
        normalization: str | None = None,
        pooling: str = "avg",
        dropout: float = 0.0,
        loss_weight: float = 1.0,
    ):
        _check_positive_integer("units", units)
        for size in hidden_units:
            _check_positive_integer("hidden_units", size)
        if pooling not in POOLINGS:
            raise ValueError(f"`pooling` must be one of {POOLINGS}. Received: {pooling!r}")
        if normalization not in _NORMALIZATIONS:
            raise ValueError(
                "`normalization` must be 'batch', 'layer' or None. "
                f"Received: normalization={normalization!r}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        if not loss_weight > 0:
            raise ValueError(f"`loss_weight` must be positive. Received: {loss_weight}")
        self.units = units
        self.activation = activation
        self.hidden_units = tuple(hidden_units)
        self.hidden_activation = hidden_activation
        self.normalization = normalization
        self.pooling = pooling
        self.dropout = dropout
        self.loss_weight = loss_weight

    def __call__(self, features, name="head", output_name=None):
        x = pool(features, self.pooling, f"{name}_pooling")
        for number, units in enumerate(self.hidden_units, start=1):
            x = self._drop(x, f"{name}_dropout_{number}")
            x = keras.layers.Dense(units, name=f"{name}_hidden_{number}")(x)
            if self.normalization is not None:
                normalize = _NORMALIZATIONS[self.normalization]
                x = normalize(name=f"{name}_normalization_{number}")(x)
            activation = keras.activations.get(self.hidden_activation)
            x = keras.layers.Activation(activation, name=f"{name}_activation_{number}")(x)
        x = self._drop(x, f"{name}_dropout")
        # Half precision is too coarse for probabilities and losses.
        is_linear = keras.activations.get(self.activation) is keras.activations.linear
        dense = ScaledDense if is_linear else keras.layers.Dense
        return dense(
            self.units,
            activation=self.activation,
            dtype="float32",
            name=output_name or f"{name}_output",
        )(x)

    def _drop(self, x, name):
        return keras.layers.Dropout(self.dropout, name=name)(x) if self.dropout else x

    def loss(self):
        """The default loss: the mean squared error."""
        return keras.losses.MeanSquaredError()

    def metrics(self):
        """New default metrics: the mean absolute error."""
        return [keras.metrics.MeanAbsoluteError(name="mean_absolute_error")]

    @property
    def num_names(self):
        return self.units

    def named_outputs(self, output, class_names=None):
        """`values` and, with names, `names`: all names for each image."""
        named = {"values": output}
        if class_names is not None:
            named["names"] = tf.tile(tf.constant([class_names]), [tf.shape(output)[0], 1])
        return named

    def get_config(self):
        """The arguments of the head."""
        return {
            "units": self.units,
            "activation": keras.activations.serialize(keras.activations.get(self.activation)),
            **self._common_config(),
        }

    def _common_config(self):
        hidden_activation = keras.activations.get(self.hidden_activation)
        return {
            "hidden_units": list(self.hidden_units),
            "hidden_activation": keras.activations.serialize(hidden_activation),
            "normalization": self.normalization,
            "pooling": self.pooling,
            "dropout": self.dropout,
            "loss_weight": self.loss_weight,
        }


def _check_positive_integer(name, value):
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be positive integers. Received: {value!r}")
