"""An optimizer for a changed set of trainable variables, with the state of the old one."""

import keras
import tensorflow as tf

from keras_transfer.optimizers.learning_rate_multiplier import LearningRateMultiplier

# Lists of all trained and of all optimizer variables: neither holds one slot per variable.
_NOT_SLOTS = ("_trainable_variables", "_variables")
_WEIGHT_DECAY_EXCLUSIONS = (
    "_exclude_from_weight_decay",
    "_exclude_from_weight_decay_pattern",
)


def carry_over(optimizer, variables):
    """Returns a new optimizer, built on `variables`, with the state of the old one.

    An optimizer is bound to the variables it was built on: Keras raises "Unknown variable" if
    more of them train later, and a new optimizer starts from zero. The configuration,
    `iterations`, the current learning rate and the loss scale stay; a schedule is the same
    object. A variable that trained before keeps its slots, moving average and accumulated
    gradient, matched by identity. A new one gets new slots, and a moving average that starts at
    its current value. The old optimizer does not change.

    Adam and its relatives correct the bias of new slots by the number of steps, which Keras
    counts once for all variables. After thousands of steps, new variables therefore move faster
    than their learning rate for a while: with Adam's default betas by a factor of
    `(1 - 0.9**t) / (1 - 0.999**t)**0.5` after `t` more steps, at most about 6.6 (`t = 12`).
    Give them a small multiplier, or warm up the rate.
    """
    if optimizer._distribution_strategy is not tf.distribute.get_strategy():
        raise ValueError(
            "The optimizer was created in the scope of another `tf.distribute` strategy. Call "
            "`carry_over` in `with strategy.scope():`. Received: "
            f"optimizer of {optimizer._distribution_strategy}, "
            f"called in {tf.distribute.get_strategy()}"
        )
    variables = list(variables)
    new = _same_settings(optimizer)
    new.build(variables)
    if optimizer.built:
        _copy_state(optimizer, new, variables)
    return new


def _same_settings(optimizer):
    """Returns an optimizer of the same class and settings that is not built."""
    if isinstance(optimizer, LearningRateMultiplier):
        return type(optimizer)(
            _same_settings(optimizer.inner_optimizer),
            optimizer.multipliers,
            patterns_checked=optimizer.patterns_checked,
            name=optimizer.name,
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return type(optimizer)(
            _same_settings(optimizer.inner_optimizer),
            initial_scale=optimizer.initial_scale,
            dynamic_growth_steps=optimizer.dynamic_growth_steps,
            name=optimizer.name,
        )
    if type(optimizer).update_step is keras.optimizers.Optimizer.update_step:
        raise ValueError(
            f"The state of a {type(optimizer).__name__} cannot be carried over, since it has "
            "no update rule of its own. For a learning rate per layer, use "
            f"LearningRateMultiplier. Received: optimizer={optimizer}"
        )
    return _same_settings_of_plain(optimizer)


def _same_settings_of_plain(optimizer):
    rate = optimizer._learning_rate
    is_float = isinstance(rate, keras.Variable)
    # A config cannot contain a lambda or an unregistered schedule: take the config of a copy
    # with a number in its place.
    copy = object.__new__(type(optimizer))
    object.__setattr__(copy, "__dict__", dict(vars(optimizer)))
    if not is_float:
        copy.__dict__["_learning_rate"] = 0.0
    new = type(optimizer).from_config(copy.get_config())
    new.learning_rate = float(rate.numpy()) if is_float else rate
    for name in _WEIGHT_DECAY_EXCLUSIONS:
        if name in vars(optimizer):
            setattr(new, name, getattr(optimizer, name))
    return new


def _copy_state(old, new, variables):
    if isinstance(old, LearningRateMultiplier):
        _copy_state(old.inner_optimizer, new.inner_optimizer, variables)
        return
    if isinstance(old, keras.optimizers.LossScaleOptimizer):
        new.dynamic_scale.assign(old.dynamic_scale)
        new.step_counter.assign(old.step_counter)
        _copy_state(old.inner_optimizer, new.inner_optimizer, variables)
        return
    old_index = {old._var_key(v): i for i, v in enumerate(old._trainable_variables)}
    kept = {
        index: old_index[new._var_key(variable)]
        for index, variable in enumerate(variables)
        if new._var_key(variable) in old_index
    }
    _copy_variables(old, new, kept)
    if new.use_ema:
        _start_averages_of_others(new, variables, kept)


def _copy_variables(old, new, kept):
    """Assigns single variables by attribute, and slots by the pairs of indices in `kept`."""
    copied = set()
    for name, value in vars(old).items():
        target = vars(new).get(name)
        if isinstance(value, keras.Variable) and isinstance(target, keras.Variable):
            target.assign(value)
            copied.add(id(value))
        elif name not in _NOT_SLOTS and _is_slots(value, old) and _is_slots(target, new):
            for new_index, old_index in kept.items():
                if value[old_index] is not None:
                    target[new_index].assign(value[old_index])
            copied.update(id(slot) for slot in value)
    left = [variable.path for variable in old.variables if id(variable) not in copied]
    if left:
        raise ValueError(
            f"Cannot tell which model variable these variables of {type(old).__name__} belong "
            "to, so their state would be lost. Keep slots in lists with one entry for each "
            "variable, in the order of `build`, as `add_optimizer_variables` returns them. "
            f"Received: {left}"
        )


def _is_slots(value, optimizer):
    return (
        isinstance(value, list)
        and len(value) == len(optimizer._trainable_variables)
        and all(slot is None or isinstance(slot, keras.Variable) for slot in value)
    )


def _start_averages_of_others(new, variables, kept):
    # Keras starts an average at the value of its variable only in step 0. An average from zero
    # would later overwrite the variable with a fraction of its value.
    for index, variable in enumerate(variables):
        average = new._model_variables_moving_average[index]
        if index not in kept and average is not None:
            average.assign(variable)
