import keras
import pytest

from keras_transfer.optimizers import LearningRateMultiplier, rate_table

MULTIPLIERS = [("slow/.*", 0.5), ("head/.*", 1.0)]


def compiled(optimizer):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="slow")(inputs)
    x = keras.layers.Dense(2, name="frozen", trainable=False)(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(x))
    model.compile(optimizer=optimizer, loss="mse")
    return model


def test_table_shows_pattern_multiplier_and_rate_of_each_variable():
    model = compiled(LearningRateMultiplier(keras.optimizers.SGD(0.01), MULTIPLIERS))
    assert rate_table(model).splitlines() == [
        "variable     pattern  multiplier  rate",
        "slow/kernel  slow/.*  0.5         0.005",
        "slow/bias    slow/.*  0.5         0.005",
        "head/kernel  head/.*  1           0.01",
        "head/bias    head/.*  1           0.01",
        "4 variables are trained, 2 are not.",
    ]


def test_table_follows_schedules_and_looks_through_the_loss_scale():
    keras.config.set_dtype_policy("mixed_float16")
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    optimizer = LearningRateMultiplier(keras.optimizers.SGD(schedule), MULTIPLIERS)
    model = compiled(optimizer)
    model.optimizer.build(model.trainable_variables)
    assert "slow/kernel  slow/.*  0.5         0.25" in rate_table(model)
    optimizer.inner_optimizer.iterations.assign(2)
    # 0.5 * 0.5**2 = 0.125, halved once more by the multiplier
    assert "slow/kernel  slow/.*  0.5         0.0625" in rate_table(model)


def test_optimizer_with_one_rate_has_no_patterns():
    assert "head/bias    -        1           0.25" in rate_table(
        compiled(keras.optimizers.SGD(0.25))
    )


@pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="Keras before 3.15 has none"
)
def test_groups_of_keras_multi_optimizer_show_their_own_rates():
    groups = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(0.5, name="rest"),
        {"slow/.*": keras.optimizers.SGD(0.25, name="slow")},
    )
    table = rate_table(compiled(keras.optimizers.MultiOptimizer(groups)))
    assert "slow/bias    slow     1           0.25" in table
    assert "head/bias    rest     1           0.5" in table


def test_model_that_is_not_compiled_raises():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match=r"call `model.compile\(\)` first.*Received: model="):
        rate_table(keras.Model(inputs, keras.layers.Dense(1)(inputs)))
