"""The optimizers that every claim is tested on, and the smallest thing they can train."""

import keras
import numpy as np
import tensorflow as tf

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


def make(name, learning_rate=0.125, **kwargs):
    """An optimizer by name. The default rate is a power of two, so products are exact."""
    if name == "SignDescent":
        return SignDescent(learning_rate=learning_rate, **kwargs)
    optimizer_class = getattr(keras.optimizers, name)
    return optimizer_class(learning_rate=learning_rate, **{**_RATES[name], **kwargs})


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
    optimizer.build(trained)

    def step(grads):
        optimizer.apply(grads, trained)

    if graph:
        step = tf.function(step, jit_compile=jit_compile)
    for grads in steps:
        step(grads)
    return [v.numpy() for v in trained]
