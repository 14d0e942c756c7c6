"""The time of the parts of a training."""

import time

import keras


class PhaseClock(keras.callbacks.Callback):
    """Records when each call of `fit` began and ended.

    Attributes:
        started: when the clock was made, by `time.monotonic()`.
        spans: `[began, ended]` of each call.
    """

    def __init__(self):
        super().__init__()
        self.started = time.monotonic()
        self.spans = []

    def on_train_begin(self, logs=None):
        now = time.monotonic()
        self.spans.append([now, now])

    def on_train_end(self, logs=None):
        self.spans[-1][1] = time.monotonic()

    def seconds(self, names, until):
        """Pairs of a name and a number of seconds.

        Args:
            names: of all phases; in a resumed training the last ones were run.
            until: when the training ended, by `time.monotonic()`.
        """
        names = list(names)[len(names) - len(self.spans) :]
        parts, before = [], self.started
        for name, (began, ended) in zip(names, self.spans, strict=True):
            parts.append((f"before {name}", began - before))
            parts.append((f"training: {name}", ended - began))
            before = ended
        return [*parts, ("rest of the training", until - before)]
