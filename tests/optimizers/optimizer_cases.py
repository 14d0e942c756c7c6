"""The optimizers that every claim is tested on, and the smallest thing they can train."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.models.multi_worker import MultiWorkerSteps
from tests.distribution import conditions

CONDITION, STRATEGY = conditions.current(), conditions.strategy()

# For every optimizer that a test makes, so that it accumulates where all of them do.
ACCUMULATION = (
    {"gradient_accumulation_steps": CONDITION.accumulation_steps}
    if CONDITION.accumulation_steps > 1
    else {}
)

_RATES = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adagrad": {},
    "Adadelta": {},
    "Adamax": {},
    "Nadam": {},
    "Ftrl": {"beta": 0.1, "l1_regularization_strength": 0.01},
    "Lion": {},
    "Lamb": {},
    "Adafactor": {},
    "Muon": {"adam_lr_ratio": 0.5},
    "ScheduleFreeAdamW": {"warmup_steps": 3},
}


def _trains(name):
    """Whether this Keras has the optimizer, and it works: Muon of Keras 3.12 does not on TF."""
    if not hasattr(keras.optimizers, name):
        return False
    variable = keras.Variable([[1.0, 2.0]], name="kernel")
    try:
        getattr(keras.optimizers, name)().apply([tf.ones((1, 2))], [variable])
    except AttributeError:
        return False
    return True


OPTIMIZERS = [name for name in _RATES if _trains(name)]


@keras.saving.register_keras_serializable(package="keras_transfer_tests")
class SignDescent(keras.optimizers.Optimizer):
    """A user's own optimizer, which reads its rate in both ways there are."""

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self.counts = self.add_optimizer_variables(variables, "count")

    def update_step(self, gradient, variable, learning_rate):
        count = self.counts[self._get_variable_index(variable)]
        self.assign_add(count, keras.ops.ones_like(count))
        rate = 0.5 * learning_rate + 0.5 * self.learning_rate
        self.assign_sub(variable, rate * keras.ops.sign(gradient))


@keras.saving.register_keras_serializable(package="keras_transfer_tests")
class SmallModel(MultiWorkerSteps):
    """A model that trains in every condition."""


def make(name, learning_rate=0.125, **kwargs):
    """An optimizer by name. The default rate is a power of two, so products are exact."""
    kwargs = {**ACCUMULATION, **kwargs}
    if name == "SignDescent":
        return SignDescent(learning_rate=learning_rate, **kwargs)
    optimizer_class = getattr(keras.optimizers, name)
    return optimizer_class(learning_rate=learning_rate, **{**_RATES[name], **kwargs})


def scaled(optimizer):
    """The optimizer as `compile` would take it: in float16, within a loss scale.

    The scale is so small that no step is left out.
    """
    if CONDITION.policy != "mixed_float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=16.0)


def unscaled(optimizer):
    """What is within the loss scale, if there is one."""
    is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if is_scaled else optimizer


def variables(*names, seed=0):
    """A 4x3 matrix for each name that is not a bias, a vector of 3 for each that is."""
    random = np.random.RandomState(seed)
    return [
        keras.Variable(
            random.normal(size=(3,) if "bias" in name else (4, 3)).astype("float32"), name=name
        )
        for name in names
    ]


def gradients(trained, steps=4, seed=1):
    """For each step a list with a gradient for each variable."""
    random = np.random.RandomState(seed)
    return [
        [tf.constant(random.normal(size=v.shape), "float32") for v in trained]
        for _ in range(steps)
    ]


def train(optimizer, trained, steps, graph=False, jit_compile=False):
    """Applies the gradients and returns the values that result."""
    optimizer = scaled(optimizer)
    optimizer.build(trained)

    def step(grads):
        apply(optimizer, grads, trained)

    if graph:
        step = tf.function(step, jit_compile=jit_compile)
    for grads in steps:
        step(grads)
    return [value(v) for v in trained]


def apply(optimizer, grads, trained=None):
    """Updates once, as the training step of a model does in this condition.

    Of the gradient, each replica has a part of its own: with two of them a quarter and three
    quarters. An optimizer that accumulates gets twice the gradient first, and nothing then.
    """
    if unscaled(optimizer) is optimizer:
        optimizer = scaled(optimizer)
    if not optimizer.built:
        optimizer.build(trained or unscaled(optimizer)._trainable_variables)
    accumulates = ACCUMULATION and optimizer_accumulates(optimizer)
    for factor in (2.0, 0.0) if accumulates else (1.0,):
        STRATEGY.run(lambda f=factor: optimizer.apply(_parts(optimizer, grads, f), trained))


def optimizer_accumulates(optimizer):
    return unscaled(optimizer).gradient_accumulation_steps is not None


def updates(batches):
    """How often the variables change in a number of batches."""
    return batches // CONDITION.accumulation_steps


def value(variable):
    """The value of a variable, which is the same on all devices."""
    copies = STRATEGY.experimental_local_results(variable.value)
    first, *others = (copy.numpy() for copy in copies)
    for other in others:
        np.testing.assert_array_equal(other, first)
    return first


def number(variable):
    """A variable's single value; Keras cannot tell that of a mirrored one."""
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable)).item()


def _parts(optimizer, grads, factor):
    replicas = STRATEGY.num_replicas_in_sync
    if replicas > 1:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        factor *= (2.0 * tf.cast(replica, "float32") + 1.0) / replicas**2
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        factor = optimizer.scale_loss(factor)
    return [_computed(grad, factor) for grad in grads]


def _computed(grad, factor):
    """The gradient times a factor, in the precision in which models compute."""
    if isinstance(grad, tf.IndexedSlices):
        values = _computed(grad.values, factor)
        return tf.IndexedSlices(values, grad.indices, grad.dense_shape)
    return tf.cast(
        tf.cast(grad * factor, keras.config.dtype_policy().compute_dtype), grad.dtype
    )
