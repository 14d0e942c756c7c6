"""Unfreezing in the middle of one `fit`."""

import warnings

import keras

from keras_transfer.freezing import FreezePolicy


class GradualUnfreezing(keras.callbacks.Callback):
    """Changes the freeze policy of a `TransferModel` at the start of given epochs.

    The run stays one `fit` with one history. The optimizer goes on: the layers trained before
    keep their slots, and `iterations` and the learning rate continue. Newly trained layers
    start with fresh slots, whose first steps Adam does not correct for when many steps were
    made before; `optimizers.layerwise_decay` or a small learning rate keeps them in check.

    Args:
        schedule: a dict of epoch (from 0) to freeze policy. In a resumed run the latest policy
            that is due is applied at once.

    Raises:
        ValueError: for an epoch that is no integer from 0 on, or a value that is no policy; in
            `fit`, for a model without a freeze policy.

    Example:

    >>> callback = GradualUnfreezing({2: UnfreezeLast(1), 4: UnfreezeLast(2)})

    Reference: Howard and Ruder, Universal Language Model Fine-tuning for Text Classification,
    2018, section 3.3.
    """

    def __init__(self, schedule):
        super().__init__()
        if not isinstance(schedule, dict) or not schedule:
            raise ValueError(
                "`schedule` must be a dict of epoch to freeze policy, such as "
                f"{{2: freezing.UnfreezeLast(1)}}. Received: schedule={schedule!r}"
            )
        for epoch, policy in schedule.items():
            if not isinstance(epoch, int) or epoch < 0:
                raise ValueError(f"Epochs are integers from 0 on. Received: epoch {epoch!r}")
            if not isinstance(policy, FreezePolicy):
                raise ValueError(
                    "The values of `schedule` must be freeze policies. "
                    f"Received: {policy!r} for epoch {epoch}"
                )
        self.schedule = dict(sorted(schedule.items()))

    def on_train_begin(self, logs=None):
        if not hasattr(self.model, "freeze_policy"):
            raise ValueError(
                "`GradualUnfreezing` needs a `TransferModel`, which follows its freeze policy "
                f"in mid-training. Received: a model of type {type(self.model).__name__}"
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
