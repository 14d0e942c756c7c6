"""Changes of the freeze policy within one `fit`."""

import warnings

import keras

from keras_transfer.freezing import FreezePolicy


class GradualUnfreezing(keras.callbacks.Callback):
    """Changes the freeze policy of a `TransferModel` at the start of given epochs.

    The optimizer keeps its state: the layers that were trained before keep their slots, and
    `iterations` and the learning rate continue. Newly trained layers start with empty slots,
    and Adam's bias correction does not cover their first steps; use
    `optimizers.layerwise_decay` or a small learning rate.

    With `keras.callbacks.BackupAndRestore`, a resumed `fit` continues with the weights and the
    policy, and an empty optimizer, of which Keras warns; `training.fine_tune` with a folder
    (`directory=`) keeps its state too.

    Args:
        schedule: a dict of epoch (from 0) to freeze policy. A resumed `fit` applies the latest
            policy that is due.

    Raises:
        ValueError: if an epoch is not an integer from 0, or a value is not a freeze policy; in
            `fit`, if the model has no freeze policy.

    Example:

    >>> schedule = {1: freezing.UnfreezeLast(1)}
    >>> callback = callbacks.GradualUnfreezing(schedule)
    >>> model.compile()
    >>> _ = model.fit(images, labels, epochs=2, callbacks=[callback], verbose=0)
    >>> model.freeze_policy == schedule[1]
    True

    Reference: Howard and Ruder, Universal Language Model Fine-tuning for Text Classification,
    2018, section 3.3.
    """

    def __init__(self, schedule: dict):
        super().__init__()
        if not isinstance(schedule, dict) or not schedule:
            raise ValueError(
                "`schedule` must be a dict of epoch to freeze policy, such as "
                f"{{2: freezing.UnfreezeLast(1)}}. Received: schedule={schedule!r}"
            )
        for epoch, policy in schedule.items():
            if not isinstance(epoch, int) or epoch < 0:
                raise ValueError(f"Epochs must be integers from 0. Received: epoch {epoch!r}")
            if not isinstance(policy, FreezePolicy):
                raise ValueError(
                    "The values of `schedule` must be freeze policies. "
                    f"Received: {policy!r} for epoch {epoch}"
                )
        self.schedule = dict(sorted(schedule.items()))

    def on_train_begin(self, logs=None):
        if not hasattr(self.model, "freeze_policy"):
            raise ValueError(
                "`GradualUnfreezing` needs a `TransferModel`, whose freeze policy can change "
                f"within `fit`. Received: a model of type {type(self.model).__name__}"
            )
        epochs = self.params.get("epochs")
        never = [epoch for epoch in self.schedule if epochs and epoch >= epochs]
        if never:
            warnings.warn(
                f"Epochs are counted from 0 and `fit` runs {epochs} of them: the policies for "
                f"{never} are never applied.",
                stacklevel=2,
            )

    def on_epoch_begin(self, epoch, logs=None):
        due = [policy for start, policy in self.schedule.items() if start <= epoch]
        if due and self.model.freeze_policy != due[-1]:
            self.model.freeze_policy = due[-1]
