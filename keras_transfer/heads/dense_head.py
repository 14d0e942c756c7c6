"""A head of dense layers."""

import keras

from keras_transfer.heads.pooling import POOLINGS, pool

_NORMALIZATIONS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    None: None,
}


@keras.saving.register_keras_serializable(package="keras_transfer")
class DenseHead:
    """Pooling, any number of hidden layers, and a dense output: for numbers to predict.

    A head is a description; calling it on features adds its layers to their graph. The output
    is float32 under every dtype policy.

    Args:
        units: the number of outputs.
        activation: the activation of the output. Defaults to None, which is linear.
        hidden_units: the sizes of the hidden layers, in order. Defaults to none.
        hidden_activation: the activation of the hidden layers. Defaults to `"relu"`.
        normalization: `"batch"`, `"layer"` or None, between a hidden layer and its
            activation. Defaults to None.
        pooling: `"avg"`, `"max"`, `"avgmax"` (both, joined), `"gem"` (a generalized mean with
            a learned exponent), `"flatten"` or `"none"`. Defaults to `"avg"`.
        dropout: the share of features dropped before every dense layer. Defaults to 0.0.
        loss_weight: the weight of this head's loss among several heads'. Defaults to 1.0.

    Input shape: `(batch, rows, columns, features)`, or without rows, or without both.
    Output shape: `(batch, units)`; with `pooling="none"` the positions are kept.
    """

    def __init__(
        self,
        units,
        activation=None,
        hidden_units=(),
        hidden_activation="relu",
        normalization=None,
        pooling="avg",
        dropout=0.0,
        loss_weight=1.0,
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
        """Adds the head to the graph of `features`.

        Args:
            features: a `KerasTensor`.
            name: what the names of the head's layers start with.
            output_name: the name of the last layer. Defaults to `{name}_output`.

        Returns:
            The output, a float32 `KerasTensor`.
        """
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
        # Half precision has too few digits for a probability or a loss.
        return keras.layers.Dense(
            self.units,
            activation=self.activation,
            dtype="float32",
            name=output_name or f"{name}_output",
        )(x)

    def _drop(self, x, name):
        return keras.layers.Dropout(self.dropout, name=name)(x) if self.dropout else x

    def loss(self):
        """The loss for this output: the mean squared error."""
        return keras.losses.MeanSquaredError()

    def metrics(self):
        """New metrics for this output: the mean absolute error."""
        return [keras.metrics.MeanAbsoluteError(name="mean_absolute_error")]

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

    @classmethod
    def from_config(cls, config):
        """The head with these arguments."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))


def _check_positive_integer(name, value):
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be positive integers. Received: {value!r}")
