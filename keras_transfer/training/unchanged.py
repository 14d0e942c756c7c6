"""Training that is undone afterwards."""

import contextlib
import inspect
import random

import keras
import numpy as np
import tensorflow as tf

_GLOBAL_SEED_GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def unchanged(model, optimizer, dataset):
    """A context in which a model trains with another optimizer, and is restored afterwards.

    Restored, to the last bit and after errors too: all variables of the model, including its
    random generators and BatchNormalization's statistics; its metrics; its optimizer; the
    random generators of Python, NumPy and Keras; and the epoch counts of `CachedFeatures`. The
    next order of a `tf.data` shuffle cannot be restored.

    Args:
        model: a compiled `keras.Model`.
        optimizer: the one that replaces the model's own.
        dataset: the training data.
    """
    kept = [(variable, _copy(variable)) for variable in model.variables]
    metrics = {id(variable): _copy(variable) for variable in model.metrics_variables}
    own, epochs = model.optimizer, [(one, one.begun) for one in _epochs(dataset)]
    restore_random = _random_numbers()
    # A plain assignment would make TensorFlow track it for checkpoints.
    vars(model)["optimizer"] = optimizer
    try:
        yield
    finally:
        vars(model)["optimizer"] = own
        for variable, value in kept:
            variable.assign(value)
        _restore_metrics(model, metrics)
        for one, begun in epochs:
            one.begun = begun
        restore_random()


def _copy(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def _restore_metrics(model, values):
    for metric in model.metrics:
        if any(id(variable) not in values for variable in metric.variables):
            metric.reset_state()  # made in the meantime
            continue
        for variable in metric.variables:
            variable.assign(values[id(variable)])


def _epochs(dataset):
    """The epoch counters of all cached features that a dataset is made from."""
    if hasattr(dataset, "epochs"):  # `CachedFeatures`, or their `as_inputs()`
        return [dataset.epochs]
    if not isinstance(dataset, tf.data.Dataset):
        return []
    return [epochs for part in dataset._inputs() for epochs in _epochs(part)]


def _random_numbers():
    """A function that restores the current state of the random generators."""
    python, numpy = random.getstate(), np.random.get_state()
    # For layers without a seed, Keras draws from a generator without a public accessor.
    keras_state = inspect.getmodule(keras.random.SeedGenerator).global_state
    generator = keras_state.get_global_attribute(_GLOBAL_SEED_GENERATOR)
    seeds = None if generator is None else _copy(generator.state)

    def restore():
        random.setstate(python)
        np.random.set_state(numpy)
        keras_state.set_global_attribute(_GLOBAL_SEED_GENERATOR, generator)
        if generator is not None:
            generator.state.assign(seeds)

    return restore
