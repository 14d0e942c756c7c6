import keras
import numpy as np
import optimizer_cases as cases
import pytest
import tensorflow as tf

from keras_transfer.optimizers import LearningRateMultiplier
from keras_transfer.optimizers.slot_carry_over import carry_over

MULTIPLIERS = [("first.*", 0.5), (".*", 1.0)]
ALL_OPTIMIZERS = [*cases.OPTIMIZERS, "SignDescent"]


def plain(inner):
    return inner


def multiplied(inner):
    return LearningRateMultiplier(inner, MULTIPLIERS, patterns_checked=True)


def scaled(inner):
    return keras.optimizers.LossScaleOptimizer(multiplied(inner), initial_scale=16.0)


def innermost(optimizer):
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def restore(trained, values):
    for variable, value in zip(trained, values, strict=True):
        variable.assign(value)


@pytest.mark.parametrize("name", ALL_OPTIMIZERS)
def test_variables_that_stay_go_on_as_if_nothing_had_happened(name):
    """One variable leaves, one comes, and the order of the others is turned round."""
    trained = cases.variables("first_kernel", "leaving", "bias", "second_kernel")
    comes = cases.variables("new_kernel")[0]
    first, leaving, bias, second = trained
    steps = cases.gradients(trained, steps=5)
    optimizer = multiplied(cases.make(name, use_ema=True, weight_decay=0.1))
    cases.train(optimizer, trained, steps[:3])
    values = [v.numpy() for v in trained]
    new = carry_over(optimizer, [second, comes, bias, first])
    cases.train(optimizer, trained, steps[3:])
    expected = [v.numpy() for v in trained]
    restore(trained, values)
    turned = [[g[3], tf.ones((4, 3)), g[2], g[0]] for g in steps[3:]]
    cases.train(new, [second, comes, bias, first], turned)
    for index, variable in ((0, first), (2, bias), (3, second)):
        np.testing.assert_array_equal(variable.numpy(), expected[index])
    np.testing.assert_array_equal(leaving.numpy(), values[1])
    assert int(new.iterations) == 5


@pytest.mark.parametrize("name", ALL_OPTIMIZERS)
def test_same_variables_keep_all_state_and_the_old_optimizer_is_left_alone(name):
    trained = cases.variables("kernel", "bias")
    optimizer = cases.make(name, use_ema=True, gradient_accumulation_steps=2)
    cases.train(optimizer, trained, cases.gradients(trained, steps=3))
    before = [v.numpy() for v in optimizer.variables]
    new = carry_over(optimizer, trained)
    assert type(new) is type(optimizer)
    assert new.get_config() == optimizer.get_config()
    assert len(new.variables) == len(before)
    for variable, old, value in zip(new.variables, optimizer.variables, before, strict=True):
        assert variable is not old
        np.testing.assert_array_equal(variable.numpy(), value)
        np.testing.assert_array_equal(old.numpy(), value)


@pytest.mark.parametrize("wrap", [plain, multiplied, scaled])
def test_wrapped_optimizers_keep_their_state(wrap):
    first, second = cases.variables("first_kernel", "second_kernel")
    optimizer = wrap(cases.make("AdamW"))
    optimizer.build([first])
    optimizer.apply([tf.ones((4, 3))], [first])
    optimizer.learning_rate = 0.25
    new = carry_over(optimizer, [second, first])
    assert type(new) is type(optimizer)
    assert new.built and new.name == optimizer.name
    assert int(new.iterations) == 1
    assert float(new.learning_rate) == 0.25
    old_slot, new_slot = (innermost(o)._momentums for o in (optimizer, new))
    np.testing.assert_array_equal(new_slot[0].numpy(), 0.0)
    np.testing.assert_array_equal(new_slot[1].numpy(), old_slot[0].numpy())
    assert np.any(old_slot[0].numpy() != 0.0)


def test_loss_scale_and_its_counter_are_kept():
    trained = cases.variables("first_kernel", "kernel")
    optimizer = scaled(keras.optimizers.SGD(0.1))
    optimizer.build(trained[:1])
    optimizer.apply([tf.fill((4, 3), np.float32("inf"))], trained[:1])
    optimizer.apply([tf.ones((4, 3))], trained[:1])
    new = carry_over(optimizer, trained)
    assert float(new.dynamic_scale) == 8.0
    assert int(new.step_counter) == 1
    assert new.initial_scale == 16.0


def test_variables_with_the_same_path_are_told_apart():
    twins = [keras.Variable([value], name="kernel") for value in (1.0, 2.0)]
    assert twins[0].path == twins[1].path
    optimizer = keras.optimizers.SGD(0.5, momentum=0.5)
    cases.train(optimizer, twins, [[tf.constant([1.0]), tf.constant([3.0])]])
    new = carry_over(optimizer, twins[::-1])
    # A momentum is -0.5 times the gradient.
    assert [float(slot[0]) for slot in new.momentums] == [-1.5, -0.5]


def test_schedule_and_callable_are_the_same_object():
    trained = cases.variables("kernel")
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    for rate in (schedule, lambda: 0.5):
        optimizer = keras.optimizers.SGD(rate)
        cases.train(optimizer, trained, cases.gradients(trained, steps=2))
        new = carry_over(optimizer, trained)
        assert new._learning_rate is rate
        assert len(new.variables) == len(optimizer.variables)
    assert float(carry_over(optimizer, trained).learning_rate) == 0.5


def test_exclusions_from_weight_decay_are_kept():
    trained = cases.variables("kernel", "bias", "second_kernel")
    optimizer = multiplied(keras.optimizers.AdamW(0.5, weight_decay=0.5))
    optimizer.exclude_from_weight_decay(var_list=trained[:1], var_names=["bias"])
    optimizer.build(trained[:1])
    new = carry_over(optimizer, trained)
    before = [v.numpy() for v in trained]
    new.apply([tf.zeros(v.shape) for v in trained], trained)
    # 1 - 0.5 * 0.5 = 0.75
    for variable, value, factor in zip(trained, before, (1.0, 1.0, 0.75), strict=True):
        np.testing.assert_allclose(variable.numpy(), value * factor)


def test_average_of_a_new_variable_starts_at_its_value():
    old, new = cases.variables("first_kernel", "kernel")
    optimizer = keras.optimizers.SGD(0.5, use_ema=True)
    cases.train(optimizer, [old], cases.gradients([old]))
    carried = carry_over(optimizer, [new, old])
    carried.apply([tf.zeros((4, 3))] * 2, [new, old])
    before = new.numpy()
    carried.finalize_variable_values([new, old])
    np.testing.assert_allclose(new.numpy(), before, rtol=1e-6)


@pytest.mark.skipif(
    "ScheduleFreeAdamW" not in cases.OPTIMIZERS, reason="Keras before 3.15 does not have it"
)
def test_schedule_free_momentum_of_a_new_variable_starts_at_its_value():
    old, new = cases.variables("first_kernel", "kernel")
    optimizer = cases.make("ScheduleFreeAdamW")
    cases.train(optimizer, [old], cases.gradients([old]))
    np.testing.assert_array_equal(
        carry_over(optimizer, [new])._momentums[0].numpy(), new.numpy()
    )


@pytest.mark.parametrize("wrap", [plain, multiplied, scaled])
def test_optimizer_that_is_not_built_gives_a_fresh_one(wrap):
    trained = cases.variables("first_kernel", "kernel")
    optimizer = wrap(cases.make("AdamW", 0.25))
    new = carry_over(optimizer, trained)
    assert not optimizer.built
    assert new.built and int(new.iterations) == 0
    assert float(new.learning_rate) == 0.25


def test_fit_goes_on_after_layers_are_unfrozen():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="first")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(x))
    model.get_layer("first").trainable = False
    optimizer = LearningRateMultiplier(keras.optimizers.Adam(), MULTIPLIERS)
    optimizer.check(model.variables)
    model.compile(optimizer=optimizer, loss="mse")
    x = np.random.RandomState(0).normal(size=(8, 4))
    model.fit(x, x[:, :1], batch_size=4, verbose=0)
    model.get_layer("first").trainable = True
    model.compile(optimizer=carry_over(model.optimizer, model.trainable_variables), loss="mse")
    before = model.get_layer("first").kernel.numpy()
    model.fit(x, x[:, :1], batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == 4
    assert np.any(model.get_layer("first").kernel.numpy() != before)


class SlotsByName(cases.SignDescent):
    """An optimizer that keeps its slots where `carry_over` does not look."""

    def build(self, variables):
        super().build(variables)
        self.by_name = {v.name: self.add_variable((), name="extra") for v in variables}


def test_slots_that_cannot_be_told_apart_are_not_dropped_silently():
    trained = cases.variables("kernel", "bias")
    optimizer = SlotsByName(learning_rate=0.5)
    optimizer.build(trained)
    with pytest.raises(
        ValueError, match=r"Cannot tell which model variable.*Received: .*extra"
    ):
        carry_over(optimizer, trained)


@pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="Keras before 3.15 has none"
)
def test_multi_optimizer_is_refused():
    groups = keras.optimizers.OptimizerMap(keras.optimizers.SGD())
    with pytest.raises(ValueError, match="MultiOptimizer cannot be carried over"):
        carry_over(keras.optimizers.MultiOptimizer(groups), cases.variables("kernel"))


def test_call_outside_of_the_strategy_scope_is_refused():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trained = cases.variables("kernel")
        optimizer = keras.optimizers.SGD()
    with pytest.raises(ValueError, match=r"with strategy.scope\(\)"):
        carry_over(optimizer, trained)
