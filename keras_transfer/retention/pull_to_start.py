"""Keeping the weights of a network near those that it started from."""

import itertools

import keras
import tensorflow as tf

from keras_transfer.features.extraction import parts_of
from keras_transfer.models.objective import Objective

# Images on which the importance of weights is estimated.
_MOST = 64


@keras.saving.register_keras_serializable(package="keras_transfer")
class PullToStart(Objective):
    """Pulls the weights of the backbone towards those at the beginning of the phase.

    It needs no images of the earlier task, and keeps less of it than `Distillation`.

    Args:
        weight: the factor of the term. Defaults to 0.01.
        importance: "fisher" weighs each weight by how much the predictions depend on it, on 64
            images of `memory`, or of the source; the mean is 1. Defaults to None, all alike.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> retention.PullToStart(0.1)
    PullToStart(weight=0.1, importance=None)

    Reference: Li et al., Explicit Inductive Bias for Transfer Learning with Convolutional
    Networks, ICML 2018, equation 2 (L2-SP); Kirkpatrick et al., Overcoming Catastrophic
    Forgetting in Neural Networks, PNAS 2017, equation 3 (EWC).
    """

    reads_memory = True

    def __init__(self, weight: float = 0.01, importance: str | None = None):
        super().__init__(weight)
        if importance not in (None, "fisher"):
            raise ValueError(
                f"`importance` must be 'fisher' or None. Received: importance={importance!r}"
            )
        self.importance = importance
        self._pulled: list = []
        self._anchors: list = []
        self._importances: list = []

    def begin(self, model, data):
        self._pulled = list(model.backbone.trainable_variables)
        self._anchors = [_fixed(variable) for variable in self._pulled]
        if self.importance == "fisher" and self._pulled:
            images = data.source if data.memory is None else data.memory
            found = _fisher(model, images, self._pulled)
            self._importances = [_fixed(value) for value in found]

    def loss(self, batch):
        terms = []
        for place, (variable, anchor) in enumerate(
            zip(self._pulled, self._anchors, strict=True)
        ):
            moved = tf.square(tf.cast(variable.value, "float32") - anchor.value)
            if self._importances:
                moved *= self._importances[place].value
            terms.append(tf.reduce_sum(moved))
        return tf.add_n(terms) / 2 if terms else tf.zeros(())

    @property
    def variables(self):
        return [*self._anchors, *self._importances]

    def get_config(self):
        return {**super().get_config(), "importance": self.importance}


def _fixed(value):
    # As an array: Keras would take a variable for the value itself.
    value = keras.ops.convert_to_numpy(value)
    return keras.Variable(value, trainable=False, dtype="float32")


def _fisher(model, dataset, variables):
    """The mean squared gradient of the log-probability of drawn classes; its mean is 1."""
    strategy = model.distribute_strategy

    def squared_gradients(image, number):
        with tf.GradientTape() as tape:
            logits = tf.cast(model.observed(image).logits, "float32")
            noise = tf.random.stateless_uniform(tf.shape(logits), (0, number), 1e-6, 1 - 1e-6)
            drawn = tf.argmax(logits - tf.math.log(-tf.math.log(noise)), axis=1)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(drawn, logits)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        return [tf.zeros(()) if one is None else tf.square(one) for one in gradients]

    squares = [tf.zeros(variable.shape) for variable in variables]
    for number, image in enumerate(itertools.islice(_single(dataset), _MOST)):
        # In a replica, where variables have values; all of them see the same image.
        found = strategy.run(squared_gradients, (image, number))
        found = [strategy.experimental_local_results(one)[0] for one in found]
        squares = [one + other for one, other in zip(squares, found, strict=True)]
    total = sum(int(tf.size(square)) for square in squares)
    mean = tf.add_n([tf.reduce_sum(square) for square in squares]) / total
    return [tf.math.divide_no_nan(square, mean) for square in squares]


def _single(dataset):
    """The inputs of a dataset one by one, as batches of one."""
    for element in dataset:
        inputs = parts_of(element)[0]
        for row in range(len(tf.nest.flatten(inputs)[0])):
            yield tf.nest.map_structure(lambda part, row=row: part[row : row + 1], inputs)
