"""The state of a training at one moment: all that has to be equal to resume it."""

import random

import keras
import numpy as np

from keras_transfer.freezing import FreezePolicy

# The attributes in which Keras' callbacks keep what they have seen.
_KERAS_CALLBACKS = {
    keras.callbacks.EarlyStopping: (
        "wait", "stopped_epoch", "best", "best_epoch", "best_weights",
    ),
    keras.callbacks.ModelCheckpoint: (
        "best", "_batches_seen_since_last_saving", "_last_batch_seen",
    ),
}  # fmt: skip


def callback_states(callbacks):
    """What callbacks keep: a list with a dict for each.

    Keras' own callbacks keep the attributes of `_KERAS_CALLBACKS`; another one keeps what its
    `get_state()` returns, and nothing without that method.
    """
    return [
        {"class": type(callback).__name__, "state": _state_of(callback)}
        for callback in callbacks
    ]


def restore_callbacks(callbacks, states):
    """Gives each callback the state of its counterpart: the next one of its class."""
    waiting = {}
    for state in states:
        waiting.setdefault(state["class"], []).append(state["state"])
    for callback in callbacks:
        found = waiting.get(type(callback).__name__)
        state = found.pop(0) if found else None
        if not state:
            continue
        if hasattr(callback, "set_state"):
            callback.set_state(state)
        else:
            # A checkpoint may come from elsewhere: other attributes name files, for example.
            vars(callback).update(
                {name: state[name] for name in _kept_by(callback) if name in state}
            )


def _state_of(callback):
    if hasattr(callback, "get_state"):
        return callback.get_state()
    found = {
        name: vars(callback)[name] for name in _kept_by(callback) if name in vars(callback)
    }
    return {name: _plain(value) for name, value in found.items()}


def _kept_by(callback):
    return next(
        (names for kind, names in _KERAS_CALLBACKS.items() if isinstance(callback, kind)), ()
    )


def _plain(value):
    """A value that Keras may have as a tensor."""
    if isinstance(value, (list, int, float, str, type(None))):
        return value
    return np.asarray(value).item()


def model_state(model):
    """The state of a model: its weights, its random generators and its freeze policy."""
    return {
        "variables": [_to_numpy(variable) for variable in model.variables],
        "policy": keras.saving.serialize_keras_object(model.freeze_policy),
    }


def restore_model(model, state):
    """Gives a model the weights and the random generators of another one of the same graph."""
    _assign(model.variables, state["variables"], "model")


def training_state(model, with_metrics):
    """The state of what `compile` made.

    Args:
        model: a `TransferModel` within a `fit`.
        with_metrics: whether the epoch is unfinished, so that its metrics are needed.
    """
    metrics = model.metrics_variables if with_metrics else []
    return {
        "optimizer": [_to_numpy(variable) for variable in model.optimizer.variables],
        "metrics": [_to_numpy(variable) for variable in metrics],
        "objectives": [_to_numpy(variable) for variable in model.running.variables],
    }


def restore_policy(model, state):
    """Applies the freeze policy of that moment: a callback may have changed it."""
    policy = FreezePolicy.from_json(state["policy"])
    if model.freeze_policy != policy:
        model.freeze_policy = policy


def restore_optimizer(model, state):
    """Restores the slots and the step count of the optimizer, and what objectives learned.

    Args:
        model: a `TransferModel` with a new optimizer for the variables trained at that moment.
        state: what `training_state` returned.
    """
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
    _assign(model.optimizer.variables, state["optimizer"], "optimizer")
    _assign(model.running.variables, state["objectives"], "objectives")


def restore_metrics(model, state):
    """Restores the metrics of an unfinished epoch, if the state has them."""
    if state["metrics"]:
        _assign(model.metrics_variables, state["metrics"], "metrics")


def random_state():
    """The state of Python's and NumPy's random generators, which callbacks may use."""
    return {"python": random.getstate(), "numpy": np.random.get_state()}


def restore_random(state):
    """Restores `random_state`."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    np.random.set_state(tuple(state["numpy"]))


def _to_numpy(variable):
    return keras.ops.convert_to_numpy(variable)


def _assign(variables, arrays, what):
    found, expected = _shapes(arrays), _shapes(variables)
    if found != expected:
        raise ValueError(
            f"The checkpoint's {what} has {len(found)} variables, which do not match the "
            f"{len(expected)} of this one."
        )
    for variable, array in zip(variables, arrays, strict=True):
        # NumPy does not know bfloat16 and reads it as bytes.
        dtype = _to_numpy(variable).dtype if array.dtype.kind == "V" else array.dtype
        variable.assign(array.view(dtype))


def _shapes(arrays):
    return [tuple(array.shape) for array in arrays]
