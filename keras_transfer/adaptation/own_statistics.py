"""The target's own statistics of each channel."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.features.extraction import parts_of
from keras_transfer.models.objective import Objective

# Of the mean deviation: a channel that hardly varies in one domain is not blown up.
_LEAST = 0.1


@keras.saving.register_keras_serializable(package="keras_transfer")
class OwnStatistics(Objective):
    """Trains on source features that have the target's mean and deviation in each channel.

    A camera or a style moves and scales features as a whole. This objective computes the mean
    and the deviation of each channel at the frozen boundary, once a phase and for each domain,
    and gives the source features those of the target. The heads then train on features as the
    target has them, and the model is used on the target as it is. It costs two passes over
    cached features.

    Use it first, on a frozen backbone, and together with `MinimumClassConfusion`. If the
    classes are not about as frequent in both domains, the statistics also differ by that.

    Example:

    >>> phase = plans.Phase(
    ...     freezing.FreezeAll(), 2, 1e-3, objectives=[adaptation.OwnStatistics()]
    ... )
    >>> history = training.fine_tune(
    ...     model, train, plan=plans.Plan([phase]), target=validation.unlabelled, verbose=0
    ... )

    Reference: Li et al., Revisiting Batch Normalization for Practical Domain Adaptation, ICLR
    workshop 2017 (AdaBN), at one place of the network.
    """

    needs = ("target",)
    changes_inputs = True

    def __init__(self):
        super().__init__()
        self._scale = self._offset = None

    def begin(self, model, data):
        (mean, deviation), (own_mean, own_deviation) = (
            _statistics(model, dataset) for dataset in (data.source, data.target)
        )
        least = _LEAST * float(np.mean(deviation)) or 1.0
        scale = (own_deviation + least) / (deviation + least)
        self._scale = keras.Variable(scale, trainable=False, dtype="float32")
        self._offset = keras.Variable(own_mean - scale * mean, trainable=False, dtype="float32")

    def changed(self, domain, features):
        if domain != "source":
            return features
        boundary, rows = next(iter(features.items()))
        scale, offset = (tf.cast(one.value, rows.dtype) for one in (self._scale, self._offset))
        return {**features, boundary: rows * scale + offset}

    def loss(self, batch):
        return tf.zeros(())

    @property
    def variables(self):
        return [self._scale, self._offset]

    def get_config(self):
        return {}


def _statistics(model, dataset):
    """The mean and the deviation of each channel at the frozen boundary."""
    number, total, squares = 0, 0.0, 0.0
    for element in dataset:
        features = next(iter(model.at_boundary(parts_of(element)[0]).values()))
        rows = np.asarray(features, "float64").reshape(-1, features.shape[-1])
        number, total = number + len(rows), total + rows.sum(axis=0)
        squares = squares + np.square(rows).sum(axis=0)
    mean = total / number
    return mean, np.sqrt(np.maximum(squares / number - mean**2, 0))
