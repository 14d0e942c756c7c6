"""A training whose loss is no number any more."""

import math
import warnings

import keras


class FiniteLoss(keras.callbacks.Callback):
    """Stops `fit` where the loss is infinite or no number, and says at which step.

    Steps that follow would keep the weights as they are then: without a meaning. With
    `BestWeights` the best ones before are still there. (Keras' `TerminateOnNaN` stops as well,
    and tells neither the learning rate nor the step within all epochs.)

    Attributes:
        step: the number of steps, counted through all epochs, after which the loss was no
            number; None while it is one. Where several steps run in one call, it is the last
            one of them.
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
            f"learning rate of {float(optimizer.learning_rate):.3g}: this training stops. Take "
            "a smaller learning rate, and look for pictures or weights that hold no numbers.",
            stacklevel=2,
        )
