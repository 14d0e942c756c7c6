"""Keeps the state of a training while `fit` runs."""

import time

import keras

from keras_transfer.training import training_state
from keras_transfer.training.preemption import Preempted

# Of the time of a training, what its checkpoints may take. A machine that dies costs what was
# done since the last one: on average as much again as they took, a few times over.
_LARGEST_SHARE = 0.05


class Checkpointing(keras.callbacks.Callback):
    """Saves the state at the end of epochs, within them if asked, and before the process ends.

    An epoch's end is passed over where writing would take more than a twentieth of the time:
    epochs on cached features may be shorter than that.

    It must be the last callback: it saves what the others remember, and gives it back to them
    after they have begun.

    Args:
        save: a function of a dict with the position: `epoch`, the number of finished ones;
            `step`, that of steps done in an unfinished one; `over`, whether the phase is; and
            of `with_metrics`. It writes the state.
        preemption: a `Preemption`.
        callback_states: the `CallbackStates` of all others.
        every: the number of steps after which to save within an epoch, or None.
    """

    # Only the beginning of a batch is listened to, for which no step is waited for.
    async_safe = True

    def __init__(self, save, preemption, callback_states, every=None):
        super().__init__()
        self._save, self._preemption, self._every = save, preemption, every
        self._callback_states = callback_states
        self._state = None
        self._epoch = self._saved_step = self._skipped = 0
        self._cost, self._saved_at = 0.0, time.monotonic()

    def go_on(self, state):
        """Makes the next `fit` go on in the middle.

        Args:
            state: what was saved, a dict.
        """
        self._state = state
        self._skipped = state["position"]["step"]

    def on_train_begin(self, logs=None):
        self._callback_states.training_begins()
        if self._state is not None:
            training_state.restore_optimizer(self.model, self._state["training"])
            self._callback_states.restore(self._state["callbacks"])
        if self._skipped:
            self._skip_steps()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._saved_step = epoch, self._skipped
        if self._skipped and self._state is not None:
            training_state.restore_metrics(self.model, self._state["training"])
        self._state = None

    def on_train_batch_begin(self, batch, logs=None):
        if batch < self._skipped:
            return
        if self._preemption.requested:
            self._save_now(self._epoch, batch)
            raise Preempted
        if self._every is not None and batch - self._saved_step >= self._every:
            self._save_now(self._epoch, batch)
            self._saved_step = batch

    def on_epoch_end(self, epoch, logs=None):
        self._skipped = 0
        spent = time.monotonic() - self._saved_at
        if (
            self._preemption.requested
            or self.model.stop_training
            or self._cost <= _LARGEST_SHARE * spent
        ):
            self._save_now(epoch + 1, 0)
        if self._preemption.requested:
            raise Preempted

    def _save_now(self, epoch, step):
        started = time.monotonic()
        over = bool(self.model.stop_training)
        self._save({"epoch": epoch, "step": step, "over": over}, with_metrics=step > 0)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def _skip_steps(self):
        """Makes the first steps of the epoch read their batches and do nothing else.

        The batches that follow are then those of an epoch that was not interrupted.
        """
        model, train_function = self.model, self.model.train_function
        left = self._skipped

        def step(iterator):
            nonlocal left
            if left <= 0:
                model.train_function = train_function
                return train_function(iterator)
            for _ in range(min(left, model.steps_per_execution)):
                next(iterator)
            left -= model.steps_per_execution
            return {}

        step._follows_trainable_set = True
        model.train_function = step
