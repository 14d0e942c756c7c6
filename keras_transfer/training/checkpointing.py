"""Saves the state of a training while `fit` runs, and when the process has to end."""

import time

import keras

from keras_transfer._preemption import Preempted
from keras_transfer.training import training_state

# The share of the training time that checkpoints may take. A crash costs the time since the
# last checkpoint: on average a few times as long as writing one.
_LARGEST_SHARE = 0.05


class Checkpointing(keras.callbacks.Callback):
    """Saves the state at the end of epochs, within them if asked, and before the process ends.

    The end of an epoch is skipped if writing would take more than a twentieth of the time:
    epochs on cached features may be shorter than a checkpoint takes.

    It must be the last callback: it saves the state of the others, and restores it after their
    `on_train_begin`.

    Args:
        save: a function of a dict with the position (`epoch`, the number of finished epochs;
            `step`, the number of steps in the unfinished one; `over`, whether the phase has
            ended) and of `with_metrics`. It writes the state.
        preemption: a `Preemption`.
        callbacks: all other callbacks.
        every: the number of steps after which to save within an epoch, or None.
    """

    # Only the beginning of a batch is used, which waits for no step.
    async_safe = True

    def __init__(self, save, preemption, callbacks, every=None):
        super().__init__()
        self._save, self._preemption, self._every = save, preemption, every
        self._callbacks = callbacks
        self._state = None
        self._epoch = self._saved_step = self._skipped = 0
        self._cost, self._saved_at = 0.0, time.monotonic()

    def resume(self, state):
        """Makes the next `fit` resume from a saved state, a dict."""
        self._state = state
        self._skipped = state["position"]["step"]

    def on_train_begin(self, logs=None):
        if self._state is not None:
            training_state.restore_optimizer(self.model, self._state["training"])
            training_state.restore_callbacks(self._callbacks, self._state["callbacks"])
        if self._skipped:
            self._skip_steps()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._saved_step = epoch, self._skipped

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
        """Makes the first steps of the epoch only read their batches.

        The batches that follow are then those of an uninterrupted epoch.
        """
        model, train_function = self.model, self.model.train_function
        left, saved = self._skipped, self._state["training"]

        def step(iterator):
            nonlocal left
            for _ in range(min(left, model.steps_per_execution)):
                batch = next(iterator)
            left -= model.steps_per_execution
            if left <= 0:
                # Those of data whose shapes are not known do not exist before the first batch.
                model.create_metrics(batch)
                training_state.restore_metrics(model, saved)
                model.train_function = train_function
            return {}

        step._follows_trainable_set = True
        model.train_function = step
