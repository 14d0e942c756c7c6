"""One optimizer with a learning rate for each variable."""

import warnings
from collections.abc import Mapping, Sequence

import keras

from keras_transfer.optimizers import patterns, rate_views


def _of_inner_optimizer(name):
    """A property that reads and writes an attribute of the inner optimizer.

    It ignores what Keras' base constructor assigns before there is an inner optimizer.
    """

    def get(self):
        return getattr(self.inner_optimizer, name)

    def set_(self, value):
        if hasattr(self, "inner_optimizer"):
            setattr(self.inner_optimizer, name, value)

    return property(get, set_)


@keras.saving.register_keras_serializable(package="keras_transfer")
class LearningRateMultiplier(keras.optimizers.Optimizer):
    """Trains each variable at a multiple of the learning rate of one inner optimizer.

    Use it for layer-wise learning rate decay, for discriminative fine-tuning, or for a new head
    that learns faster than its backbone. It multiplies the *learning rate* and not the
    gradient, to whose scale Adam and its relatives are invariant. A multiplier `m` equals
    training the variable with the inner optimizer at `m` times the rate, decoupled weight decay
    included; with all multipliers 1 the result is bit-identical to the inner optimizer. There
    is one inner optimizer: `global_clipnorm` uses all gradients, there is one `iterations`, and
    callbacks and schedules read and write the base rate as `learning_rate`.

    A pattern must cover every variable, and every pattern must be used; `build` checks both. It
    knows only the trainable variables, so a pattern for frozen layers looks like a misspelled
    one: call `check(model.variables)` before, as `TransferModel.compile` does. The patterns of
    `layerwise_decay` need no check. In a custom loop, where `apply_gradients` builds the
    optimizer, a pattern that matches nothing raises a warning.

    Args:
        inner_optimizer: `keras.optimizers.Optimizer` that is not built yet, or a name or config
            for `keras.optimizers.get`. Its settings (`clipnorm`, `weight_decay`, `use_ema`,
            `gradient_accumulation_steps`, ...) apply.
        multipliers: ordered mapping, or list of pairs, of pattern and positive float. A pattern
            is a regular expression that must match the full `variable.path`; the first match
            wins.
        patterns_checked: whether all patterns are known to be used. `check` and `build` set it,
            and the config contains it, which allows a model with frozen layers to be reloaded.
            Defaults to False.
        name: name of the optimizer. Defaults to None, an automatic name.

    Raises:
        ValueError: if a multiplier is not positive and finite, or the inner optimizer is
            already built or has no update rule of its own; and in `build`, if a variable has no
            pattern or a pattern no variable.

    Example:
        >>> optimizer = optimizers.LearningRateMultiplier(
        ...     keras.optimizers.AdamW(1e-3), [("head_.*", 1.0), (".*", 0.1)]
        ... )
        >>> model.compile(optimizer=optimizer)

    Reference:
        [Howard & Ruder, 2018](https://arxiv.org/abs/1801.06146), equation 2: discriminative
        fine-tuning.
    """

    clipnorm = _of_inner_optimizer("clipnorm")
    clipvalue = _of_inner_optimizer("clipvalue")
    global_clipnorm = _of_inner_optimizer("global_clipnorm")
    weight_decay = _of_inner_optimizer("weight_decay")
    use_ema = _of_inner_optimizer("use_ema")
    ema_momentum = _of_inner_optimizer("ema_momentum")
    ema_overwrite_frequency = _of_inner_optimizer("ema_overwrite_frequency")
    # `LossScaleOptimizer` sets it to `None`.
    loss_scale_factor = _of_inner_optimizer("loss_scale_factor")
    gradient_accumulation_steps = _of_inner_optimizer("gradient_accumulation_steps")
    # Keras reads these from any optimizer; `SwapEMAWeights` all but the first two.
    _iterations = _of_inner_optimizer("_iterations")
    _learning_rate = _of_inner_optimizer("_learning_rate")
    _trainable_variables = _of_inner_optimizer("_trainable_variables")
    _trainable_variables_indices = _of_inner_optimizer("_trainable_variables_indices")
    _model_variables_moving_average = _of_inner_optimizer("_model_variables_moving_average")
    _distribution_strategy = _of_inner_optimizer("_distribution_strategy")

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer | str | dict,
        multipliers: Mapping[str, float] | Sequence[Sequence],
        patterns_checked: bool = False,
        name: str | None = None,
    ):
        inner_optimizer = keras.optimizers.get(inner_optimizer)
        _check_can_be_wrapped(inner_optimizer)
        pairs = patterns.validated(multipliers).items()
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        # Pairs, since Keras would wrap a dict to track the variables in it.
        self._multipliers = tuple(pairs)
        self._multiplier_of_index = ()
        is_of_model = isinstance(multipliers, patterns.PatternsOfModel)
        self.patterns_checked = patterns_checked or is_of_model

    @property
    def multipliers(self):
        """Dict from pattern to multiplier, in order."""
        return dict(self._multipliers)

    def pattern_for(self, variable):
        """Returns the first pattern that matches `variable`."""
        path = _path(variable)
        patterns.check_covered(self.multipliers, [path])
        return patterns.first_matches(self.multipliers, [path])[0]

    def multiplier_for(self, variable):
        """Returns the multiplier of `variable`, a float."""
        return self.multipliers[self.pattern_for(variable)]

    def check(self, variables):
        """Checks that every pattern is used by one of `variables`.

        Args:
            variables: all variables of the model, trainable or not: `model.variables`.

        Raises:
            ValueError: if a pattern is the first match of none of them.
        """
        patterns.check_used(self.multipliers, [_path(variable) for variable in variables])
        self.patterns_checked = True

    def build(self, variables):
        """Checks the patterns for the trainable variables; builds the inner optimizer."""
        if self.built:
            return
        variables = list(variables)
        paths = [_path(variable) for variable in variables]
        patterns.check_covered(self.multipliers, paths)
        if not self.patterns_checked:
            self.check(variables)
        matches = patterns.first_matches(self.multipliers, paths)
        self._multiplier_of_index = tuple(self.multipliers[match] for match in matches)
        self.inner_optimizer.build(variables)
        _track_all_variables(self.inner_optimizer)
        self.built = True

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is not None and len(grads) > 0:
            trainable_variables = list(trainable_variables)
            if not self.built:
                self._warn_of_unmatched(trainable_variables)
                self.build(trainable_variables)
            self._check_known(trainable_variables)
        view = rate_views.at_own_rates(self.inner_optimizer, self._multiplier_of_index)
        view.apply(grads, trainable_variables)

    def _warn_of_unmatched(self, variables):
        """Checks what can be checked in a loop that shows the trainable variables only."""
        if self.patterns_checked:
            return
        paths = [_path(variable) for variable in variables]
        unmatched = patterns.unmatched(self.multipliers, paths)
        matched = [pattern for pattern in self.multipliers if pattern not in unmatched]
        patterns.check_used(matched, paths)
        if unmatched:
            warnings.warn(
                f"{len(unmatched)} of the patterns, such as '{unmatched[0]}', match none of "
                f"the {len(paths)} trainable variables: are they misspelled, or for frozen "
                f"layers? Closest paths: {patterns.closest(unmatched[0], paths)}. "
                "Call `optimizer.check(model.variables)` before the first step to find out.",
                stacklevel=4,
            )
        self.patterns_checked = True

    def _check_known(self, variables):
        known = self.inner_optimizer._trainable_variables_indices
        new = [v for v in variables if self.inner_optimizer._var_key(v) not in known]
        if new:
            raise ValueError(
                f"The optimizer was built without {len(new)} of these variables: were layers "
                "unfrozen since its first step? Make a new one, or compile a `TransferModel` "
                "with it, call `model.follow_trainable_set()` and use `model.optimizer`. "
                f"Received: '{_path(new[0])}'"
            )

    def update_step(self, gradient, variable, learning_rate):
        raise NotImplementedError(
            "`LearningRateMultiplier` updates all variables together; call `apply`. "
            f"Received: variable={variable}"
        )

    @property
    def learning_rate(self):
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self):
        return self.inner_optimizer.iterations

    @property
    def variables(self):
        return self.inner_optimizer.variables

    def scale_loss(self, loss):
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list):
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def set_weights(self, weights):
        self.inner_optimizer.set_weights(weights)

    def save_own_variables(self, store):
        self.inner_optimizer.save_own_variables(store)

    def load_own_variables(self, store):
        self.inner_optimizer.load_own_variables(store)

    def __dir__(self):
        # Keras' saver finds nested objects through `dir`, and would write the state twice.
        return [name for name in super().__dir__() if name != "inner_optimizer"]

    def get_config(self):
        return {
            "inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
            "multipliers": [list(pair) for pair in self._multipliers],
            "patterns_checked": self.patterns_checked,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["inner_optimizer"] = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**config)


def _check_can_be_wrapped(optimizer):
    if optimizer is None:
        raise ValueError(
            "The optimizer must be a keras.optimizers.Optimizer, its name or its config. "
            "Received: None"
        )
    if isinstance(optimizer, LearningRateMultiplier):
        raise ValueError(
            "The optimizer is itself a LearningRateMultiplier; pass one list of "
            "multipliers for its `inner_optimizer` instead. "
            f"Received: {optimizer}"
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "The loss scale goes around, not inside: use LossScaleOptimizer("
            "LearningRateMultiplier(inner_optimizer, multipliers)), which `compile` makes by "
            f"itself under 'mixed_float16'. Received: {optimizer}"
        )
    if type(optimizer).update_step is keras.optimizers.Optimizer.update_step:
        raise ValueError(
            f"{type(optimizer).__name__} has no `update_step(gradient, variable, "
            "learning_rate)` of its own, so there is no learning rate to multiply. Wrap an "
            "optimizer that has one, such as keras.optimizers.AdamW. "
            f"Received: {optimizer}"
        )
    if optimizer.built:
        raise ValueError(
            "The optimizer is built already, for variables that could not be checked "
            "against the patterns. Use a new one: "
            f"{type(optimizer).__name__}.from_config(optimizer.get_config()). "
            f"Received: {optimizer}"
        )


def _track_all_variables(optimizer):
    """Adds variables that are mere attributes to `optimizer.variables`.

    Keras does not while a `LossScaleOptimizer` builds its inner optimizer: a saved file would
    lack Nadam's product of momenta.
    """
    tracked = {id(variable) for variable in optimizer.variables}
    for value in list(vars(optimizer).values()):
        if isinstance(value, keras.Variable) and id(value) not in tracked:
            optimizer._track_variable(value)


def _path(variable):
    # A bare `tf.Variable` has a name only.
    return getattr(variable, "path", None) or variable.name
