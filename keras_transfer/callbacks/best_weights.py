"""The best weights over several calls of `fit`."""

import math

import keras


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in memory, over several calls of `fit`.

    The best epoch has the highest validation accuracy and, among equals, the lowest validation
    loss; of masks, the highest mean intersection over union; without either, the lowest
    validation loss. Without validation data every epoch is better than the one before.

    If the number of validation images is known, accuracies within one standard error of the
    highest count as equal to it, and the latest of these epochs is kept: the maximum of many
    noisy values is biased, and late epochs, at a low learning rate, generalise better.

    If the logs hold `target_score`, the label-free score of a target (see `adaptation.score`),
    the best epoch has the highest one: validation images are not of the target.

    An epoch whose training loss is NaN or infinite is never the best. Until there is a best
    epoch, the best weights are those before the first epoch.

    Args:
        num_validation: the number of validation images. Defaults to None, not known.

    Attributes:
        best_epoch: the index of the best epoch over all calls of `fit`; None until there is
            one.
        best_logs: the logs of that epoch.

    Example:

    >>> best = callbacks.BestWeights()
    >>> model.compile()
    >>> _ = model.fit(images, labels, epochs=2, callbacks=[best], verbose=0)
    >>> best.best_epoch
    1
    >>> best.restore()

    Reference: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3 (the
    one-standard-error rule).
    """

    def __init__(self, num_validation: int | None = None):
        super().__init__()
        self.num_validation = num_validation
        self.best_epoch = None
        self.best_logs: dict = {}
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
            return False  # the weights may be NaN
        score = _score(logs)
        if self._best_score is None or score is None:
            return True
        return score > self._best_score or self._is_as_accurate(logs)

    def _is_as_accurate(self, logs):
        """Whether the accuracy is within one standard error of the highest so far."""
        if self.num_validation is None or "val_accuracy" not in logs or "target_score" in logs:
            return False
        error = math.sqrt(self._highest * (1.0 - self._highest) / self.num_validation)
        # The weights of an epoch without a finite loss may be NaN.
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
        """Gives the model the best weights."""
        if self._weights is not None:
            self.model.set_weights(self._weights)


def _score(logs):
    if "target_score" in logs:
        return (logs["target_score"],)
    if "val_loss" not in logs:
        return None
    return (logs.get("val_accuracy", logs.get("val_mean_iou", 0.0)), -logs["val_loss"])
