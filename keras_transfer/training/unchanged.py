"""A training that leaves no trace."""

import contextlib
import inspect
import random

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.features import CachedFeatures

_GLOBAL_SEED_GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def unchanged(model, optimizer, dataset):
    """Trains a model with another optimizer for a while, and puts all back as it was.

    Put back, to the last bit and whatever happens: all variables of the model, the states of
    its random generators and BatchNormalization's statistics among them; its metrics; its
    optimizer; the random generators of Python, NumPy and Keras; and how many epochs of
    `CachedFeatures` were begun. The next order of a `tf.data` shuffle cannot be put back.

    Args:
        model: a compiled `keras.Model`.
        optimizer: the one that takes the place of the model's own.
        dataset: the data that it is trained on.
    """
    kept = [(variable, _copy(variable)) for variable in model.variables]
    metrics = {id(variable): _copy(variable) for variable in model.metrics_variables}
    own, epochs = model.optimizer, [(one, one.begun) for one in _epochs(dataset)]
    restore_random = _random_numbers()
    # Not by plain assignment, by which TensorFlow would track it for checkpoints.
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
            metric.reset_state()  # it was made meanwhile
            continue
        for variable in metric.variables:
            variable.assign(values[id(variable)])


def _epochs(dataset):
    """The counters of all cached features that a data set is made of."""
    if isinstance(dataset, CachedFeatures):
        return [dataset.epochs]
    if not isinstance(dataset, tf.data.Dataset):
        return []
    return [epochs for part in dataset._inputs() for epochs in _epochs(part)]


def _random_numbers():
    """A function that puts the random generators back to where they are now."""
    python, numpy = random.getstate(), np.random.get_state()
    # Where a layer has no seed, Keras draws from a generator that is reached in this way alone.
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
