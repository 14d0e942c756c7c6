"""A training step with the terms of objectives."""

import contextlib
import dataclasses
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_transfer._python_functions import with_own_gradients
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models.head_outputs import output_layer
from keras_transfer.models.objective import (
    DATA,
    DOMAINS,
    MEMORY,
    SOURCE,
    TARGET,
    Batch,
    ObjectiveData,
    Rows,
    check_data,
    check_objectives,
    is_joined,
)

# Of the variables that an objective learns beside the model, such as a discriminator's.
_RATE, _MOMENTUM = 1e-2, 0.9


class Observed(NamedTuple):
    """What a network computes on the way: as in `Rows`."""

    features: tf.Tensor
    logits: tf.Tensor
    pooled: tf.Tensor | None


class _Running:
    """The objectives of a training with their state; Keras does not track this object."""

    def __init__(self, objectives=()):
        self.objectives = [type(one).from_config(one.get_config()) for one in objectives]
        self.terms = [keras.metrics.Mean(name=one.name) for one in objectives]
        self.has_begun = False
        self.velocities = []
        self.stems = {}

    @property
    def learned(self):
        """The variables that the terms train beside those of the model."""
        return [one for objective in self.objectives for one in objective.trainable_variables]

    @property
    def variables(self):
        """All variables that a resumed training needs."""
        own = [one for objective in self.objectives for one in objective.variables]
        return own + self.velocities

    def learn(self, gradients):
        """A step of gradient descent with momentum.

        A second optimizer of Keras would fail on several replicas. The variables aggregate the
        mean over these.
        """
        for variable, velocity, gradient in zip(
            self.learned, self.velocities, gradients, strict=True
        ):
            velocity.assign(_MOMENTUM * velocity.value - _RATE * gradient)
            variable.assign(variable.value + velocity.value)


def sum_no_gradients(optimizer):
    """Leaves out the sum of the gradients over the replicas, of which there is one.

    It changes nothing, but its custom gradient holds the graph of the step for the rest of the
    process.
    """
    while optimizer is not None:
        # Not by plain assignment, which Keras tracks.
        object.__setattr__(optimizer, "_all_reduce_sum_gradients", list)
        optimizer = getattr(optimizer, "inner_optimizer", None)


class ObjectiveSteps(keras.Model):
    """A `keras.Model` whose training steps add the terms of objectives to the loss.

    The rows of source, target and memory go through the network together. With frozen
    BatchNormalization they do not influence each other.
    """

    _is_evaluating = False

    @property
    def running(self):
        """The objectives of the current training."""
        return vars(self).get("_running_objectives") or _Running()

    def set_objectives(self, objectives):
        """Replaces the objectives; the next training begins them."""
        # A plain assignment would make Keras track and save them.
        with self.distribute_strategy.scope():
            vars(self)["_running_objectives"] = _Running(check_objectives(objectives))

    def begin_objectives(self, data: ObjectiveData):
        """Gives the objectives of a training their state, once.

        Args:
            data: the data of the training.
        """
        running = self.running
        if running.has_begun or not running.objectives:
            return
        given = [name for name in DATA if getattr(data, name) is not None]
        check_data(running.objectives, given)
        _check_head(self, running.objectives)
        with self.distribute_strategy.scope():
            for objective in running.objectives:
                objective.begin(self, data)
            running.velocities = [
                keras.Variable(
                    tf.zeros(one.shape), trainable=False, dtype="float32", aggregation="mean"
                )
                for one in running.learned
            ]
        running.has_begun = True

    @property
    def metrics(self):
        return super().metrics + ([] if self._is_evaluating else self.running.terms)

    def evaluate(self, *arguments, **keyword_arguments):
        before, self._is_evaluating = self._is_evaluating, True
        try:
            return super().evaluate(*arguments, **keyword_arguments)
        finally:
            self._is_evaluating = before

    @with_own_gradients
    def test_step(self, data):
        return super().test_step(data)

    @with_own_gradients
    def train_step(self, data):
        running = self.running
        if not running.objectives:
            return super().train_step(data)
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        parts = inputs if is_joined(inputs) else {SOURCE: inputs}
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            batch, predicted = self._run(parts, labels)
            number = tf.shape(batch.source.logits)[0]
            loss = self._compute_loss(parts[SOURCE], labels, predicted, weights, training=True)
            for objective, term in zip(running.objectives, running.terms, strict=True):
                value = objective.weight * tf.cast(objective.loss(batch), "float32")
                term.update_state(value, sample_weight=number)
                loss += value / replicas
            self._loss_tracker.update_state(loss * replicas, sample_weight=number)
            loss = self.optimizer.scale_loss(loss)
            scale = replicas / self.optimizer.scale_loss(1.0)  # a step may change it
        variables, learned = self.trainable_weights, running.learned
        gradients = tape.gradient(loss, [*variables, *learned])
        trained = len(variables)
        self.optimizer.apply_gradients(zip(gradients[:trained], variables, strict=True))
        running.learn([scale * gradient for gradient in gradients[trained:]])
        return self.compute_metrics(parts[SOURCE], labels, predicted, sample_weight=weights)

    def _run(self, parts, labels):
        """The `Batch` of a step, and the output for the source."""
        labels = {SOURCE: labels}
        if isinstance(parts.get(MEMORY), tuple):
            images, labels[MEMORY], *_ = parts[MEMORY]
            parts = {**parts, MEMORY: images}
        changing = [one for one in self.running.objectives if one.changes_inputs]
        if changing:
            parts = {name: self.at_boundary(inputs) for name, inputs in parts.items()}
        for objective in changing:
            parts = {
                name: objective.changed(DOMAINS[name], features)
                for name, features in parts.items()
            }
        sizes = [tf.shape(tf.nest.flatten(inputs)[0])[0] for inputs in parts.values()]
        found = self.observed(_together(parts.values()), training=True)
        rows = {
            name: Rows(inputs, *tensors, labels.get(name))
            for (name, inputs), *tensors in zip(
                parts.items(), *(_split(tensor, sizes) for tensor in found), strict=True
            )
        }
        predicted = output_layer(self).activation(_split(found.logits, sizes)[0])
        for name in rows:
            logits = tf.cast(rows[name].logits, "float32")
            rows[name] = dataclasses.replace(rows[name], logits=logits)
        if isinstance(self.heads, dict):
            predicted = dict.fromkeys(self.heads, predicted)
        return Batch(rows[SOURCE], rows.get(TARGET), rows.get(MEMORY)), predicted

    def observed(self, inputs, training=False):
        """An `Observed` of images, or of a dict of features."""
        layer, last = output_layer(self), self.backbone.outputs[0]._keras_history.operation
        with _noted(layer, without_activation=True) as head, _noted(last) as backbone:
            self(inputs, training=training)
        pooled = backbone.get("output")
        if pooled is not None:
            pooled = tf.cast(pooled, "float32")
            pooled = tf.reduce_mean(pooled, axis=tuple(range(1, pooled.shape.rank - 1)))
        return Observed(head["input"], head["output"], pooled)

    def at_boundary(self, inputs):
        """The features at the frozen boundary: a dict of tensors, as `__call__` takes it."""
        names = [tensor.name for tensor in self.inputs]
        if isinstance(inputs, dict) and not set(names) <= set(inputs):
            return inputs
        cut, stems = self.frozen_cut, self.running.stems
        names = tuple(cut)
        if names not in stems:
            stems[names] = keras.Model(self.input, list(cut.values()))
        found = tf.nest.flatten(stems[names](inputs, training=False))
        return dict(zip(names, found, strict=True))


@contextlib.contextmanager
def _noted(operation, without_activation=False):
    """Within it, a dict gets the `input` and the `output` of the last call of an operation."""
    found, call = {}, operation.call

    def noting(inputs, *arguments, **keyword_arguments):
        output = call(inputs, *arguments, **keyword_arguments)
        found.update(input=inputs, output=output)
        return output

    operation.call = noting
    if without_activation:
        activation, operation.activation = operation.activation, keras.activations.linear
    try:
        yield found
    finally:
        operation.call = call
        if without_activation:
            operation.activation = activation


def _split(tensor, sizes):
    return [None] * len(sizes) if tensor is None else tf.split(tensor, sizes)


def _together(parts):
    """The rows of several inputs of the same structure."""

    def concatenated(*tensors):
        if len({tensor.dtype for tensor in tensors}) > 1:  # augmented images are floats
            tensors = [tf.cast(tensor, "float32") for tensor in tensors]
        return tf.concat(tensors, axis=0) if tensors[1:] else tensors[0]

    return tf.nest.map_structure(concatenated, *parts)


def _check_head(model, objectives):
    output_layer(model)  # raises an error for several heads
    for objective in objectives:
        if objective.needs_classes and not isinstance(model.heads, SoftmaxHead):
            raise ValueError(
                f"{type(objective).__name__} needs a model with one `SoftmaxHead`. "
                f"Received: {model.heads!r:.80}"
            )
