"""Stops a training whose loss is NaN or infinite."""

import math
import warnings

import keras


class FiniteLoss(keras.callbacks.Callback):
    """Stops `fit` when the loss becomes NaN or infinite, and warns with the step and the rate.

    `BestWeights` still has the best weights before that step. (Keras' `TerminateOnNaN` reports
    neither the learning rate nor the step over all epochs.)

    Attributes:
        step: the number of steps over all epochs after which the loss was not finite; None
            while it is finite. If several steps run in one call, the last of them.
    """

    def __init__(self):
        super().__init__()
        self.step = None
        self._epoch = 0

    def on_train_begin(self, logs=None):
        self.step = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss) or self.step is not None:
            return
        optimizer = self.model.optimizer
        self.step = int(optimizer.iterations)
        self.model.stop_training = True
        warnings.warn(
            f"The loss is {loss} after step {self.step}, in epoch {self._epoch + 1}, at a "
            f"learning rate of {float(optimizer.learning_rate):.3g}: the training stops. Use a "
            "smaller learning rate, and look for NaN or infinity in the data and the weights.",
            stacklevel=2,
        )
