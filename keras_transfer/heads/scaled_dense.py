"""The output layer of a regression, in the units of the targets."""

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="keras_transfer")
class ScaledDense(keras.layers.Dense):
    """A dense layer times a deviation plus a mean, those of the targets.

    A network learns numbers of about the size of one at the usual learning rates, and prices
    or years only after very many steps. With the mean and the deviation of the targets as
    weights that do not train, the layer returns the user's units, and learns standardized
    numbers. `DenseHead` uses it for a linear output. At first the mean is 0 and the deviation
    1; `TransferModel.fit` and `fine_tune` set them once.

    Args:
        *arguments: those of `keras.layers.Dense`.
        **keyword_arguments: those of `keras.layers.Dense`.

    Example:
        >>> layer = heads.scaled_dense.ScaledDense(1)
        >>> layer.build((None, 2))
        >>> layer.adapt([200.0], [50.0])
        >>> float(layer(np.zeros((1, 2)))[0, 0])
        200.0
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.mean = self.add_weight(
            (self.units,), initializer="zeros", trainable=False, name="mean"
        )
        self.deviation = self.add_weight(
            (self.units,), initializer="ones", trainable=False, name="deviation"
        )

    def call(self, inputs, training=None):
        return super().call(inputs) * self.deviation + self.mean

    @property
    def is_fresh(self) -> bool:
        """Whether the layer is neither trained nor adapted."""
        return not any(map(np.any, (self.bias, self.mean, np.asarray(self.deviation) != 1)))

    def adapt(self, mean, deviation) -> None:
        """Sets the mean and the deviation of each output, and predicts the mean at first.

        Args:
            mean: `units` numbers.
            deviation: the same; 0 counts as 1.
        """
        deviation = np.asarray(deviation)
        self.mean.assign(mean)
        self.deviation.assign(np.where(deviation > 0, deviation, 1.0))
        self.kernel.assign(np.zeros(self.kernel.shape))

    def standardized(self, values):
        """Values in the units of the targets, less the mean and over the deviation."""
        return (keras.ops.cast(values, self.mean.dtype) - self.mean) / self.deviation

    def as_plain(self) -> tuple[np.ndarray, np.ndarray]:
        """The kernel and the bias of a `keras.layers.Dense` that computes the same."""
        kernel, bias, mean, deviation = self.get_weights()
        return kernel * deviation, bias * deviation + mean

    # Keras' `Dense` saves the kernel and the bias only.

    def save_own_variables(self, store):
        keras.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        keras.Layer.load_own_variables(self, store)
