"""Objectives that make the features of source and target alike."""

import keras
import tensorflow as tf

from keras_transfer.adaptation.target_losses import entropy
from keras_transfer.models.objective import Objective

_WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
# Units of the discriminator, and columns of the projections of features and probabilities.
_UNITS, _PROJECTED = 256, 512


@keras.saving.register_keras_serializable(package="keras_transfer")
class JointDiscrepancy(Objective):
    """The maximum mean discrepancy of features and predictions between source and target.

    Args:
        weight: the factor of the term. Defaults to 1.0.
        joint: whether features and predictions are compared together (JAN). Defaults to True;
            False compares the features alone (MMD).

    Example:

    >>> adaptation.JointDiscrepancy(joint=False)
    JointDiscrepancy(weight=1.0, joint=False)

    Reference: Long et al., Deep Transfer Learning with Joint Adaptation Networks, ICML 2017,
    equation 9.
    """

    needs = ("target",)

    def __init__(self, weight: float = 1.0, joint: bool = True):
        super().__init__(weight)
        self.joint = joint

    @property
    def needs_classes(self):
        return self.joint

    def loss(self, batch):
        source, target = batch.source, batch.target
        kernel = _kernel(tf.concat([_flat(source.features), _flat(target.features)], axis=0))
        if self.joint:
            kernel *= _kernel(tf.concat([source.probabilities, target.probabilities], axis=0))
        here = tf.shape(source.logits)[0]
        within = tf.reduce_mean(kernel[:here, :here]) + tf.reduce_mean(kernel[here:, here:])
        return within - 2 * tf.reduce_mean(kernel[:here, here:])

    def get_config(self):
        return {**super().get_config(), "joint": self.joint}


@keras.saving.register_keras_serializable(package="keras_transfer")
class Correlation(Objective):
    """The squared difference of the covariances of source and target features.

    It is here for comparison: it helped least of those measured.

    Args:
        weight: the factor of the term. Defaults to 1.0.

    Example:

    >>> adaptation.Correlation(10.0)
    Correlation(weight=10.0)

    Reference: Sun and Saenko, Deep CORAL, ECCV 2016 workshops, equation 1.
    """

    needs = ("target",)

    def loss(self, batch):
        source, target = _flat(batch.source.features), _flat(batch.target.features)
        difference = _covariance(source) - _covariance(target)
        width = tf.cast(tf.shape(source)[1], "float32")
        return tf.reduce_sum(tf.square(difference)) / (4 * width**2)


@keras.saving.register_keras_serializable(package="keras_transfer")
class DomainAdversary(Objective):
    """Trains features in which a discriminator cannot tell the source from the target.

    It is here for comparison: on photographs it did harm where class confusion helped.

    Args:
        weight: the factor of the term, and of its reversed gradient. Defaults to 1.0.
        conditional: whether the discriminator sees features and predictions together (CDAN,
            weighted by certainty). Defaults to True; False shows it features alone (DANN).

    Example:

    >>> adaptation.DomainAdversary(0.1, conditional=False)
    DomainAdversary(weight=0.1, conditional=False)

    Reference: Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016,
    equation 10; Long et al., Conditional Adversarial Domain Adaptation, NeurIPS 2018,
    equations 6 and 7.
    """

    needs = ("target",)

    def __init__(self, weight: float = 1.0, conditional: bool = True):
        super().__init__(weight)
        self.conditional = conditional
        self._discriminator: list = []
        self._projections: list = []

    @property
    def needs_classes(self):
        return self.conditional

    def begin(self, model, data):
        features, logits, _ = model.observed(_first_inputs(data.target))
        widths = [_flat(features).shape[-1], logits.shape[-1]] if self.conditional else []
        self._projections = [
            keras.Variable(
                keras.random.normal((width, _PROJECTED), seed=number), trainable=False
            )
            for number, width in enumerate(widths)
        ]
        seen = _PROJECTED if widths else _flat(features).shape[-1]
        self._discriminator = [
            keras.Variable(values, dtype="float32", aggregation="mean")
            for values in (
                keras.random.normal((seen, _UNITS), stddev=(2 / seen) ** 0.5, seed=2),
                tf.zeros(_UNITS),
                keras.random.normal((_UNITS, 1), stddev=_UNITS**-0.5, seed=3),
                tf.zeros(1),
            )
        ]

    def loss(self, batch):
        losses = []
        for rows, is_target in ((batch.source, 0.0), (batch.target, 1.0)):
            seen, certainty = _flat(rows.features), 1.0
            if self.conditional:
                p, (of_features, of_classes) = rows.probabilities, self._projections
                seen = tf.matmul(seen, of_features.value) * tf.matmul(p, of_classes.value)
                seen /= _PROJECTED**0.5
                certainty = 1 + tf.exp(-tf.stop_gradient(entropy(p)))
                certainty /= tf.reduce_mean(certainty)
            found = self._discriminate(_reversed(seen))
            answers = tf.fill(tf.shape(found), is_target)
            wrong = tf.nn.sigmoid_cross_entropy_with_logits(answers, found)
            losses.append(tf.reduce_mean(certainty * wrong))
        return (losses[0] + losses[1]) / 2

    def _discriminate(self, rows):
        kernel, bias, last, offset = (one.value for one in self._discriminator)
        return (tf.nn.relu(rows @ kernel + bias) @ last + offset)[:, 0]

    @property
    def trainable_variables(self):
        return self._discriminator

    @property
    def variables(self):
        return [*self.trainable_variables, *self._projections]

    def get_config(self):
        return {**super().get_config(), "conditional": self.conditional}


@tf.custom_gradient
def _reversed(values):
    return values, lambda gradient: -gradient


def _first_inputs(dataset):
    element = next(iter(dataset))
    return element[0] if isinstance(element, tuple) else element


def _flat(features):
    """Features as float32 rows."""
    return tf.cast(tf.reshape(features, (tf.shape(features)[0], features.shape[-1])), "float32")


def _covariance(rows):
    centred = rows - tf.reduce_mean(rows, axis=0)
    number = tf.cast(tf.maximum(tf.shape(rows)[0] - 1, 1), "float32")
    return tf.matmul(centred, centred, transpose_a=True) / number


def _kernel(rows):
    """The mean of Gaussian kernels around the mean distance."""
    norms = tf.reduce_sum(tf.square(rows), axis=1)
    distances = norms[:, None] + norms[None] - 2 * tf.matmul(rows, rows, transpose_b=True)
    middle = tf.stop_gradient(tf.reduce_mean(distances)) + 1e-7
    return tf.add_n([tf.exp(-distances / (middle * width)) for width in _WIDTHS]) / len(_WIDTHS)
