"""An optimizer seen at other learning rates.

A view is an object of a subclass of the optimizer's class that shares its `__dict__`: the same
slots, counter and settings, to read and to write. Only the overrides of the subclass differ.
The optimizer does not change, has no reference to its views, and runs its own code with all
its overrides (Nadam's product of momenta, Muon's two algorithms, a user's `apply`).

The views use two undocumented names, both unchanged from Keras 3.0 to 3.15:
`_get_variable_index`, by which every optimizer finds the slots of a variable, and
`_apply_weight_decay`, which reads one learning rate for all variables.
"""

import functools

import keras


def at_own_rates(optimizer, multipliers):
    """A view of a built optimizer with multipliers for its variables, in their order."""
    own_rates, _ = _view_classes(type(optimizer))
    return _view(own_rates, optimizer, multipliers)


def _at_rate(optimizer, multiplier):
    _, one_rate = _view_classes(type(optimizer).__bases__[0])
    return _view(one_rate, optimizer, multiplier)


def _view(view_class, optimizer, multiplier):
    view = object.__new__(view_class)
    # Not by plain assignment, which Keras tracks.
    object.__setattr__(view, "__dict__", optimizer.__dict__)
    object.__setattr__(view, "view_multiplier", multiplier)
    return view


def _times(learning_rate, multiplier):
    # Without a multiplication by one, unit multipliers add no operation.
    return learning_rate if multiplier == 1.0 else learning_rate * multiplier


def _unless_zero(rate, update):
    """Updates, unless a schedule is at zero: Ftrl divides by its rate, and gives NaN."""

    def updated():
        update()
        return True

    keras.ops.cond(keras.ops.not_equal(rate, 0.0), updated, lambda: False)


@functools.cache
def _view_classes(optimizer_class):
    class OneRate(optimizer_class):
        """The optimizer with its learning rate times one multiplier."""

        # A slot, since the `__dict__` belongs to the optimizer.
        __slots__ = ("view_multiplier",)

        @property
        def learning_rate(self):
            return _times(super().learning_rate, self.view_multiplier)

    class OwnRates(optimizer_class):
        """The optimizer with a multiplier for each of its variables."""

        __slots__ = ("view_multiplier",)

        def update_step(self, gradient, variable, learning_rate):
            multiplier = self.view_multiplier[self._get_variable_index(variable)]
            view, rate = _at_rate(self, multiplier), _times(learning_rate, multiplier)
            if isinstance(self, keras.optimizers.Ftrl):
                _unless_zero(rate, lambda: view.update_step(gradient, variable, rate))
            else:
                view.update_step(gradient, variable, rate)

        def _apply_weight_decay(self, variables):
            groups = {}
            for variable in variables:
                multiplier = self.view_multiplier[self._get_variable_index(variable)]
                groups.setdefault(multiplier, []).append(variable)
            for multiplier, group in groups.items():
                _at_rate(self, multiplier)._apply_weight_decay(group)

    for view_class in (OneRate, OwnRates):
        # Keras' error messages and TensorFlow's name scopes show the name.
        view_class.__name__ = optimizer_class.__name__
        view_class.__qualname__ = optimizer_class.__qualname__
    return OwnRates, OneRate
