"""Objectives on what a model says of unlabelled images of the target."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.features.extraction import parts_of
from keras_transfer.models.objective import Objective

_TINY = 1e-7
# Share of the old centroids that each step keeps.
_MOMENTUM = 0.99
_ROUNDS = 2


@keras.saving.register_keras_serializable(package="keras_transfer")
class MinimumClassConfusion(Objective):
    """Reduces how often a pair of classes is probable for one image of the target.

    The most robust choice of those measured: it needs no discriminator, and classes may be
    absent from a batch or from the target.

    Args:
        weight: the factor of the term. Defaults to 1.0.
        temperature: divides the logits. Defaults to 2.5.

    Example:

    >>> adaptation.MinimumClassConfusion()
    MinimumClassConfusion(weight=1.0, temperature=2.5)

    Reference: Jin et al., Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020,
    equations 2 to 6.
    """

    needs = ("target",)
    needs_classes = True

    def __init__(self, weight: float = 1.0, temperature: float = 2.5):
        super().__init__(weight)
        check_positive("temperature", temperature)
        self.temperature = temperature

    def loss(self, batch):
        p = tf.nn.softmax(batch.target.logits / self.temperature)
        certainty = 1 + tf.exp(-entropy(p))
        share = certainty / tf.reduce_mean(certainty)
        confusion = tf.matmul(p * share[:, None], p, transpose_a=True)
        # A class without any probability has a row of zeros.
        rows = tf.math.divide_no_nan(confusion, tf.reduce_sum(confusion, 1, keepdims=True))
        number = tf.cast(tf.shape(p)[1], p.dtype)
        return (tf.reduce_sum(rows) - tf.linalg.trace(rows)) / number

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_transfer")
class InformationMaximization(Objective):
    """Makes the predictions on the target certain one by one, and diverse together.

    It assumes classes that are about as frequent in the target.

    Args:
        weight: the factor of the term. Defaults to 1.0.

    Example:

    >>> adaptation.InformationMaximization(0.5)
    InformationMaximization(weight=0.5)

    Reference: Liang et al., Do We Really Need to Access the Source Data?, ICML 2020, equation
    3.
    """

    needs = ("target",)
    needs_classes = True

    def loss(self, batch):
        p = batch.target.probabilities
        return tf.reduce_mean(entropy(p)) - entropy(tf.reduce_mean(p, axis=0))


@keras.saving.register_keras_serializable(package="keras_transfer")
class PseudoLabels(Objective):
    """Trains on the target with the class of the nearest centroid of its features as label.

    The centroids start from the model's predictions on the whole target, and move with the
    features. Each class has the same weight in the loss. It needs no images of the source:
    `fine_tune(model, None, target=...)` adapts a trained model alone.

    Args:
        weight: the factor of the term. Defaults to 1.0.

    Example:

    >>> adaptation.PseudoLabels(0.3)
    PseudoLabels(weight=0.3)

    Reference: Liang et al., Do We Really Need to Access the Source Data?, ICML 2020, equations
    4 to 6 (SHOT).
    """

    needs = ("target",)
    needs_classes = True

    def __init__(self, weight: float = 1.0):
        super().__init__(weight)
        self._sums = self._shares = None

    def begin(self, model, data):
        found = [model.observed(parts_of(element)[0]) for element in data.target]
        features = np.concatenate([_unit(np.asarray(one.features, "float32")) for one in found])
        p = np.concatenate([tf.nn.softmax(tf.cast(one.logits, "float32")) for one in found])
        for _ in range(_ROUNDS):
            sums = p.T @ features / len(p)
            labels = (features @ _unit(sums).T).argmax(axis=1)
            p = np.eye(p.shape[1], dtype="float32")[labels]
        self._sums, self._shares = (
            keras.Variable(value, trainable=False, dtype="float32", aggregation="mean")
            for value in (sums, p.mean(axis=0))
        )

    def loss(self, batch):
        rows = batch.target
        features = tf.stop_gradient(tf.math.l2_normalize(tf.cast(rows.features, "float32"), 1))
        p = tf.stop_gradient(rows.probabilities)
        centroids = tf.math.l2_normalize(self._sums.value, axis=1)
        labels = tf.argmax(tf.matmul(features, centroids, transpose_b=True), axis=1)
        ones = tf.one_hot(labels, tf.shape(p)[1])
        number = tf.cast(tf.shape(p)[0], "float32")
        _move(self._sums, tf.matmul(p, features, transpose_a=True) / number)
        _move(self._shares, tf.reduce_mean(ones, axis=0))
        weights = tf.gather(1 / (self._shares.value + _TINY), labels)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, rows.logits)
        return tf.reduce_sum(weights * losses) / tf.reduce_sum(weights)

    @property
    def variables(self):
        return [self._sums, self._shares]


def _move(variable, value):
    variable.assign(_MOMENTUM * variable.value + (1 - _MOMENTUM) * value)


def _unit(rows):
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + _TINY)


def entropy(p):
    """The entropy of the last axis, in nats."""
    return -tf.reduce_sum(p * tf.math.log(p + _TINY), axis=-1)


def check_positive(name, value):
    """Raises `ValueError` unless a number is positive."""
    if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError(f"`{name}` must be a positive number. Received: {name}={value!r}")
