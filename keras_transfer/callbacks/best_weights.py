"""The best weights of a training that has several parts."""

import math

import keras


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in memory, over several calls of `fit`.

    The best epoch is the one with the highest accuracy on the validation data, and of equals
    the one with the lowest loss; without an accuracy it is the lowest loss. Without validation
    data every epoch counts as better than the one before.

    Where the number of validation pictures is known, accuracies within one standard error of
    the highest count as equal to it, and of these the latest epoch is kept: the highest of
    many noisy numbers is luck, and a schedule that lowers the learning rate makes late epochs
    the ones that are more accurate on other pictures.

    An epoch whose training loss is infinite or no number is never the best one. Until another
    one is, the best weights are those before the first epoch.

    Args:
        num_validation: the number of validation pictures. Defaults to None, not known.

    Attributes:
        best_epoch: the number of the best epoch, counted from 0 through all calls of `fit`;
            None as long as there is none.
        best_logs: the logs of that epoch.

    Reference: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3, for
    the rule of one standard error.
    """

    def __init__(self, num_validation=None):
        super().__init__()
        self.num_validation = num_validation
        self.best_epoch = None
        self.best_logs = {}
        self._highest = 0.0
        self._best_score = None
        self._weights = None
        self._epochs_seen = 0

    def on_train_begin(self, logs=None):
        if self._weights is None:
            self._weights = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {})
        if self._is_better(logs):
            self.best_epoch, self.best_logs = self._epochs_seen, logs
            self._best_score = _score(logs)
            self._weights = self.model.get_weights()
        self._highest = max(self._highest, logs.get("val_accuracy", 0.0))
        self._epochs_seen += 1

    def _is_better(self, logs):
        if not math.isfinite(logs.get("loss", 0.0)):
            return False  # the weights may not be numbers
        score = _score(logs)
        if self._best_score is None or score is None:
            return True
        return score > self._best_score or self._is_as_accurate(logs)

    def _is_as_accurate(self, logs):
        """Whether the accuracy is the highest one, as far as can be told by so many pictures.

        What is kept so is within one standard error of the highest to the end: an epoch that
        is higher still is kept in its turn.
        """
        if self.num_validation is None or "val_accuracy" not in logs:
            return False
        error = math.sqrt(self._highest * (1.0 - self._highest) / self.num_validation)
        # The weights of an epoch without a loss may not be numbers.
        return logs["val_accuracy"] >= self._highest - error and logs["val_loss"] < math.inf

    def get_state(self):
        """What a resumed training needs: a dict of numbers and arrays."""
        return {
            "epochs_seen": self._epochs_seen,
            "best_epoch": self.best_epoch,
            "best_logs": self.best_logs,
            "highest": self._highest,
            "weights": self._weights,
        }

    def set_state(self, state):
        """Continues from what `get_state` returned."""
        self._epochs_seen, self._highest = state["epochs_seen"], state["highest"]
        self.best_epoch, self.best_logs = state["best_epoch"], state["best_logs"]
        self._best_score = None if self.best_epoch is None else _score(self.best_logs)
        self._weights = state["weights"]

    def restore(self):
        """Gives the model the best weights that were seen."""
        if self._weights is not None:
            self.model.set_weights(self._weights)


def _score(logs):
    if "val_loss" not in logs:
        return None
    return (logs.get("val_accuracy", 0.0), -logs["val_loss"])
