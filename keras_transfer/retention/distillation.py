"""Keeping what a network computes for images of an earlier task."""

import keras
import tensorflow as tf

from keras_transfer.features.extraction import parts_of
from keras_transfer.models.objective import Objective

_TINY = 1e-7


@keras.saving.register_keras_serializable(package="keras_transfer")
class Distillation(Objective):
    """Keeps what the network said at the beginning of the phase.

    The teacher is a copy of the network at that moment. With `memory`, unlabelled images of the
    earlier task, it is asked about those; without, about the images of the new task. The
    features of unlabelled memory are mixed in pairs at the frozen boundary, so that a few
    hundred images show more of what the network computes.

    Args:
        weight: the factor of the term. Defaults to 3.0.
        temperature: divides the logits of teacher and student. Defaults to 2.0.
        on: "features" (the default) keeps the pooled output of the backbone, so that the
            earlier classifier, which this model need not have, still fits. "predictions" keeps
            those of the head, if it has the earlier classes (`TransferModel.with_classes`).

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> phase = plans.Phase(
    ...     freezing.UnfreezeLast(1), 2, 1e-3, objectives=[retention.Distillation()]
    ... )
    >>> history = training.fine_tune(
    ...     model, train, plan=plans.Plan([phase]), memory=validation.unlabelled, verbose=0
    ... )

    Reference: Li and Hoiem, Learning without Forgetting, ECCV 2016, equation 2, for the
    predictions; Jung et al., Less-forgetting Learning in Deep Neural Networks, 2016, equation
    1, for the features; Verma et al., Manifold Mixup, ICML 2019, for the pairs.
    """

    reads_memory = True

    def __init__(self, weight: float = 3.0, temperature: float = 2.0, on: str = "features"):
        super().__init__(weight)
        if not isinstance(temperature, (int, float)) or not 0 < temperature < float("inf"):
            raise ValueError(
                "`temperature` must be a positive number. "
                f"Received: temperature={temperature!r}"
            )
        if on not in ("features", "predictions"):
            raise ValueError(f"`on` must be 'features' or 'predictions'. Received: on={on!r}")
        self.temperature, self.on = temperature, on
        self._teacher = None

    def begin(self, model, data):
        self._teacher = model.copy()
        # `Replay` would read labels that no longer fit.
        self.changes_inputs = data.memory is not None and not isinstance(
            data.memory.element_spec, tuple
        )

    def changed(self, domain, features):
        # A padding mask cannot be mixed.
        can_mix = all(tensor.dtype.is_floating for tensor in features.values())
        if domain != "memory" or not can_mix:
            return features
        return {name: _mixed(tensor) for name, tensor in features.items()}

    def loss(self, batch):
        rows = batch.source if batch.memory is None else batch.memory
        teacher = self._teacher.observed(rows.inputs)
        if self.on == "predictions":
            logits = tf.cast(teacher.logits, "float32") / self.temperature
            answers, log_p = tf.nn.softmax(logits), tf.nn.log_softmax(logits)
            own = tf.nn.log_softmax(rows.logits / self.temperature)
            lost = tf.reduce_sum(answers * (log_p - own), axis=1)
            return self.temperature**2 * tf.reduce_mean(lost)
        if rows.pooled is None:  # the backbone is frozen
            return tf.zeros(())
        known = tf.cast(teacher.pooled, "float32")
        lost = tf.reduce_sum(tf.square(rows.pooled - known), axis=1)
        spread = tf.reduce_sum(tf.square(known - tf.reduce_mean(known, axis=0)), axis=1)
        return tf.reduce_mean(lost) / (tf.reduce_mean(spread) + _TINY)

    @property
    def variables(self):
        trained = [layer for layer in self._teacher.layers if layer.trainable_weights]
        return [weight for layer in trained for weight in layer.weights]

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature, "on": self.on}


def _mixed(features):
    """Each row mixed with the one before it, in shares evenly between 0 and 1."""
    number = tf.cast(tf.shape(features)[0], "float32")
    shares = tf.cast((tf.range(number) + 0.5) / number, features.dtype)
    shares = tf.reshape(shares, (-1,) + (1,) * (features.shape.rank - 1))
    return shares * features + (1 - shares) * tf.roll(features, 1, axis=0)


@keras.saving.register_keras_serializable(package="keras_transfer")
class Replay(Objective):
    """Trains on labelled images of the earlier task as well.

    The head must have the earlier classes, see `TransferModel.with_classes`, and `memory` the
    labels as that head numbers them.

    Args:
        weight: the factor of the term. Defaults to 1.0.

    Example:

    >>> phase = plans.Phase(freezing.FreezeAll(), 2, 1e-3, objectives=[retention.Replay()])
    >>> history = training.fine_tune(
    ...     model, train, plan=plans.Plan([phase]), memory=validation, verbose=0
    ... )

    Reference: Rolnick et al., Experience Replay for Continual Learning, NeurIPS 2019.
    """

    needs = ("memory",)
    needs_classes = reads_memory = True

    def begin(self, model, data):
        number = model.heads.num_classes
        for element in data.memory:
            labels = parts_of(element)[1]
            if not labels or not bool(tf.reduce_all((labels[0] >= 0) & (labels[0] < number))):
                raise ValueError(
                    f"`memory` must have labels from 0 to {number - 1} for `Replay`. Received: "
                    + (f"a label {int(tf.reduce_max(labels[0]))}" if labels else "no labels")
                )

    def loss(self, batch):
        rows = batch.memory
        labels = tf.cast(tf.reshape(rows.labels, (-1,)), "int32")
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, rows.logits)
        )
