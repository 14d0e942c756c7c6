"""The best weights of a training that has several parts."""

import keras


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in memory, over several calls of `fit`.

    The best epoch is the one with the highest accuracy on the validation data, and of equals
    the one with the lowest loss; without an accuracy it is the lowest loss. Without validation
    data every epoch counts as better than the one before.

    Attributes:
        best_epoch: the number of the best epoch, counted from 0 through all calls of `fit`.
        best_logs: the logs of that epoch.
    """

    def __init__(self):
        super().__init__()
        self.best_epoch = None
        self.best_logs = {}
        self._best_score = None
        self._weights = None
        self._epochs_seen = 0

    def on_epoch_end(self, epoch, logs=None):
        score = _score(logs or {})
        if self._best_score is None or score is None or score > self._best_score:
            self._best_score = score
            self.best_epoch = self._epochs_seen
            self.best_logs = dict(logs or {})
            self._weights = self.model.get_weights()
        self._epochs_seen += 1

    def restore(self):
        """Gives the model the best weights that were seen."""
        if self._weights is not None:
            self.model.set_weights(self._weights)


def _score(logs):
    if "val_loss" not in logs:
        return None
    return (logs.get("val_accuracy", 0.0), -logs["val_loss"])
