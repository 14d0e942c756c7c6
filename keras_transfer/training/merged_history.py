"""One history of several calls of `fit`."""

import math

import keras


class MergedHistory(keras.callbacks.History):
    """Keras' `History`, which does not start anew in each `fit`.

    Attributes:
        phase: the name of each epoch's phase.
        phase_name: the name of the phase that runs now.
    """

    def __init__(self):
        super().__init__()
        self.epoch, self.history, self.phase = [], {}, []
        self.phase_name = ""

    def on_train_begin(self, logs=None):
        """Keeps what there is."""

    def on_epoch_end(self, epoch, logs=None):
        seen = len(self.epoch)
        for name, value in (logs or {}).items():
            # A metric that an earlier phase did not have is unknown there.
            self.history.setdefault(name, [math.nan] * seen).append(value)
        for values in self.history.values():
            values.extend([math.nan] * (seen + 1 - len(values)))
        self.epoch.append(seen)
        self.phase.append(self.phase_name)

    def state(self):
        """What `restore` takes."""
        return {"epoch": self.epoch, "history": self.history, "phase": self.phase}

    def restore(self, state):
        """Goes on where another one was."""
        self.epoch, self.history, self.phase = (
            state[name] for name in ("epoch", "history", "phase")
        )
