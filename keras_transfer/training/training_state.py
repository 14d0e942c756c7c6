"""The state of a training at one moment: what has to be the same for it to go on."""

import random

import keras
import numpy as np


def model_state(model):
    """The state of a model: its weights, its random generators and what is trained."""
    return {
        "paths": [variable.path for variable in model.variables],
        "variables": [_to_numpy(variable) for variable in model.variables],
        "policy": keras.saving.serialize_keras_object(model.freeze_policy),
    }


def restore_model(model, state):
    """Gives a model the weights and the random generators of another one of the same graph."""
    _assign(model.variables, state["variables"], "model")


def training_state(model, with_metrics):
    """The state of what `compile` made.

    Args:
        model: a `TransferModel` in the middle of a `fit`.
        with_metrics: whether an epoch is unfinished, whose metrics go on.
    """
    metrics = model.metrics_variables if with_metrics else []
    return {
        "optimizer": [_to_numpy(variable) for variable in model.optimizer.variables],
        "metrics": [_to_numpy(variable) for variable in metrics],
    }


def restore_policy(model, state):
    """Freezes what was frozen at that moment: a callback may have changed it since."""
    policy = keras.saving.deserialize_keras_object(state["policy"])
    if model.freeze_policy != policy:
        model.freeze_policy = policy


def restore_optimizer(model, state):
    """Goes on with an optimizer's slots and steps.

    Args:
        model: a `TransferModel` with a new optimizer for what was trained at that moment.
        state: what `training_state` returned.
    """
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
    _assign(model.optimizer.variables, state["optimizer"], "optimizer")


def restore_metrics(model, state):
    """Goes on with the metrics of an unfinished epoch, where they are known."""
    if state["metrics"]:
        _assign(model.metrics_variables, state["metrics"], "metrics")


def random_state():
    """The state of Python's and NumPy's random generators, which callbacks may use."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    return {"python": random.getstate(), "numpy": (name, keys, position, has_gauss, gauss)}


def restore_random(state):
    """Goes on with the random numbers of another process."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])


def _to_numpy(variable):
    return keras.ops.convert_to_numpy(variable)


def _assign(variables, arrays, what):
    found, expected = _shapes(arrays), _shapes(variables)
    if found != expected:
        raise ValueError(
            f"The checkpoint's {what} has {len(found)} variables that do not fit the "
            f"{len(expected)} of this one."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(_of_type(array, variable))


def _of_type(array, variable):
    """NumPy reads bfloat16, which it does not know, as bytes."""
    expected = _to_numpy(variable).dtype if array.dtype.kind == "V" else array.dtype
    return array.view(expected)


def _shapes(arrays):
    return [tuple(array.shape) for array in arrays]
