import subprocess
import sys

import keras
import numpy as np
import optimizer_cases as cases
import pytest
import tensorflow as tf

from keras_transfer.freezing import UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.optimizers import LearningRateMultiplier, layerwise_decay
from tests.networks import mobilenet

# Keras 3.15.1 itself calls `np.array` on its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# By Keras' source each worker asks of its own gradients whether they are finite. Where one
# leaves out a step, the others would wait for it for ever; two workers were seen to.
finite_together = pytest.mark.only_where(
    "Keras' loss scale has been seen to wait for ever with two workers.", workers=1
)
FLOAT32_AND_16 = ["float32", pytest.param("mixed_float16", marks=finite_together)]

HALF = [("slow_.*", 0.5), (".*", 1.0)]
ALL_OPTIMIZERS = [*cases.OPTIMIZERS, "SignDescent"]


def small_model():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(5, activation="relu", name="slow_dense")(inputs)
    return cases.SmallModel(inputs, keras.layers.Dense(1, name="head")(x))


def compiled(inner_optimizer):
    model = small_model()
    optimizer = LearningRateMultiplier(inner_optimizer, HALF)
    model.compile(optimizer=cases.scaled(optimizer), loss="mse")
    return model


def data(examples=16):
    random = np.random.RandomState(0)
    return random.normal(size=(examples, 4)), random.normal(size=(examples, 1))


def fit(model, epochs=1, **kwargs):
    x, y = data()
    return model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, **kwargs)


def sgd(learning_rate, **kwargs):
    return keras.optimizers.SGD(learning_rate, **cases.ACCUMULATION, **kwargs)


def assert_halved(make_inner, names=("slow_kernel", "slow_bias", "kernel", "bias"), steps=4):
    """Each group moves as if the inner optimizer trained it alone, at its own rate."""
    trained = cases.variables(*names)
    steps = cases.gradients(trained, steps)
    wrapped = train_copy(LearningRateMultiplier(make_inner(0.125), HALF), names, steps)
    slow = train_copy(make_inner(0.0625), names, steps)
    plain = train_copy(make_inner(0.125), names, steps)
    assert not np.allclose(slow[0], plain[0])
    for name, value, slow_value, plain_value in zip(names, wrapped, slow, plain, strict=True):
        expected = slow_value if name.startswith("slow") else plain_value
        np.testing.assert_allclose(value, expected, rtol=2e-6, atol=2e-7)


def train_copy(optimizer, names, steps, **kwargs):
    return cases.train(optimizer, cases.variables(*names), steps, **kwargs)


@pytest.mark.parametrize("name", ALL_OPTIMIZERS)
def test_unit_multipliers_match_inner_optimizer_bit_for_bit(name):
    names = ("kernel", "bias", "embedding")
    steps = cases.gradients(cases.variables(*names))
    settings = {"weight_decay": 0.1, "global_clipnorm": 1.0}
    multipliers = [("ker.*", 1), (".*", 1.0)]
    plain = train_copy(cases.make(name, **settings), names, steps, graph=True)
    wrapped = LearningRateMultiplier(cases.make(name, **settings), multipliers)
    wrapped = train_copy(wrapped, names, steps, graph=True)
    for value, expected in zip(wrapped, plain, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("name", ALL_OPTIMIZERS)
def test_multiplier_trains_as_the_inner_optimizer_with_that_multiple_of_the_rate(name):
    assert_halved(lambda rate: cases.make(name, rate))
    # Decoupled weight decay follows the multiplied rate.
    assert_halved(lambda rate: cases.make(name, rate, weight_decay=0.3))


def test_weight_decay_by_hand():
    trained = [keras.Variable([2.0], name="slow_kernel"), keras.Variable([2.0], name="kernel")]
    optimizer = LearningRateMultiplier(sgd(0.1, weight_decay=0.5), HALF)
    cases.apply(optimizer, [tf.constant([1.0]), tf.constant([1.0])], trained)
    # Rate 0.1 * 0.5 = 0.05: 2.0 - 2.0 * 0.5 * 0.05 - 1.0 * 0.05 = 1.9
    np.testing.assert_allclose(cases.value(trained[0]), [1.9], rtol=1e-6)
    # Rate 0.1: 2.0 - 2.0 * 0.5 * 0.1 - 1.0 * 0.1 = 1.8
    np.testing.assert_allclose(cases.value(trained[1]), [1.8], rtol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"clipnorm": 0.5},
        {"clipvalue": 0.5},
        {"global_clipnorm": 0.5},
        {"loss_scale_factor": 8.0},
        {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2, "weight_decay": 0.1},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_of_the_inner_optimizer_stay_in_force(settings):
    assert_halved(
        lambda rate: keras.optimizers.Adam(rate, **{**cases.ACCUMULATION, **settings})
    )
    optimizer = LearningRateMultiplier(keras.optimizers.Adam(0.125, **settings), HALF)
    assert {name: getattr(optimizer, name) for name in settings} == settings


def test_global_clipnorm_is_over_all_variables():
    trained = [keras.Variable([0.0], name="slow_kernel"), keras.Variable([0.0], name="kernel")]
    optimizer = LearningRateMultiplier(sgd(1.0, global_clipnorm=1.0), HALF)
    cases.apply(optimizer, [tf.constant([30.0]), tf.constant([40.0])], trained)
    # The norm is (30**2 + 40**2)**0.5 = 50: -0.5 * 30 / 50 = -0.3 and -1.0 * 40 / 50 = -0.8.
    # Keras clips what each replica has, and adds up then.
    expected = np.multiply(cases.CONDITION.replicas, [[-0.3], [-0.8]])
    np.testing.assert_allclose([cases.value(v) for v in trained], expected, rtol=1e-6)


def test_setting_a_setting_reaches_the_inner_optimizer():
    optimizer = LearningRateMultiplier(keras.optimizers.SGD(0.1, clipnorm=1.0), HALF)
    optimizer.clipnorm = 3.0
    assert optimizer.inner_optimizer.clipnorm == 3.0


@pytest.mark.parametrize(
    "rate",
    [
        lambda base: keras.optimizers.schedules.ExponentialDecay(base, 1, 0.5),
        lambda base: lambda: base,
    ],
    ids=["schedule", "callable"],
)
def test_schedules_and_callables_are_multiplied(rate):
    assert_halved(lambda base: cases.make("AdamW", rate(base), weight_decay=0.1))


@pytest.mark.parametrize("through_wrapper", [True, False])
def test_variables_excluded_from_weight_decay_do_not_decay(through_wrapper):
    names = ("slow_kernel", "slow_bias", "kernel", "bias")
    trained = cases.variables(*names)
    before = [cases.value(v) for v in trained]
    inner = sgd(0.5, weight_decay=0.5)
    excluded = {"var_list": [trained[2]], "var_names": ["bias"]}
    if not through_wrapper:
        inner.exclude_from_weight_decay(**excluded)
    optimizer = LearningRateMultiplier(inner, HALF)
    if through_wrapper:
        optimizer.exclude_from_weight_decay(**excluded)
    cases.apply(optimizer, [tf.zeros(v.shape) for v in trained], trained)
    # Only the slow kernel decays, by 0.5 * (0.5 * 0.5) = 0.125.
    for variable, start, factor in zip(trained, before, (0.875, 1, 1, 1), strict=True):
        np.testing.assert_allclose(cases.value(variable), start * factor, rtol=1e-6)


@pytest.mark.only_where("XLA compiles for one device, and no collectives on CPUs.", replicas=1)
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Lion"])
def test_jit_compile_gives_the_same_numbers(name):
    names = ("slow_kernel", "bias")
    steps = cases.gradients(cases.variables(*names))
    plain, compiled = (
        train_copy(
            LearningRateMultiplier(cases.make(name, weight_decay=0.1), HALF),
            names,
            steps,
            graph=True,
            jit_compile=jit_compile,
        )
        for jit_compile in (False, True)
    )
    for value, expected in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_sparse_gradients_of_embeddings_are_scaled(name):
    def run(optimizer):
        trained = cases.variables("slow_embeddings", "kernel")
        sparse = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([0, 2]), tf.constant([4, 3]))
        return cases.train(optimizer, trained, [[sparse, tf.ones((4, 3))]] * 3)

    wrapped = run(LearningRateMultiplier(cases.make(name, 0.125), HALF))
    np.testing.assert_allclose(wrapped[0], run(cases.make(name, 0.0625))[0], rtol=2e-6)
    np.testing.assert_allclose(wrapped[1], run(cases.make(name, 0.125))[1], rtol=2e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param(
            {"gradient_accumulation_steps": 2},
            marks=pytest.mark.only_where(
                "Keras' own accumulation fails in a graph of several replicas: it updates in "
                "a branch, in which replicas cannot merge.",
                replicas=1,
            ),
        ),
    ],
)
def test_graph_and_eager_steps_give_the_same_numbers(settings):
    names = ("slow_kernel", "bias")
    steps = cases.gradients(cases.variables(*names))
    eager, graph = (
        train_copy(
            LearningRateMultiplier(cases.make("AdamW", **settings), HALF),
            names,
            steps,
            graph=graph,
        )
        for graph in (False, True)
    )
    for value, expected in zip(graph, eager, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_iterations_are_one_counter():
    trained = cases.variables("slow_kernel", "kernel")
    optimizer = LearningRateMultiplier("adam", HALF)
    grads = cases.gradients(trained, steps=1)[0]
    pairs = list(zip(grads, trained, strict=True))
    cases.STRATEGY.run(lambda: optimizer.apply_gradients(pairs))
    assert cases.number(optimizer.iterations) == 1
    assert optimizer.iterations is optimizer.inner_optimizer.iterations


def test_apply_without_variables_uses_those_it_was_built_on():
    trained = cases.variables("slow_kernel", "kernel")
    optimizer = LearningRateMultiplier(sgd(1.0), HALF)
    with pytest.raises(ValueError, match="must already be built"):
        optimizer.apply([tf.ones((4, 3))] * 2)
    optimizer.build(trained)
    before = cases.value(trained[0])
    cases.apply(optimizer, [tf.ones((4, 3))] * 2)
    np.testing.assert_allclose(cases.value(trained[0]), before - 0.5, rtol=1e-6)


def test_learning_rate_reads_and_writes_the_base_rate():
    optimizer = LearningRateMultiplier(keras.optimizers.SGD(0.25), HALF)
    assert cases.number(optimizer.learning_rate) == 0.25
    optimizer.learning_rate = 0.5
    assert cases.number(optimizer.inner_optimizer.learning_rate) == 0.5


@pytest.mark.parametrize("policy", FLOAT32_AND_16)
def test_keras_callbacks_set_the_base_rate(policy):
    keras.config.set_dtype_policy(policy)
    model = small_model()
    model.compile(optimizer=LearningRateMultiplier(sgd(0.5), HALF), loss="mse")
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / 2**epoch),
        # Nothing is ever better than a loss of -1, so each epoch halves the rate.
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9),
    ]
    history = fit(model, epochs=3, callbacks=callbacks)
    # The schedule sets 0.5, 0.25, 0.125; the plateau callback halves the last two after it.
    assert cases.number(model.optimizer.learning_rate) == 0.0625
    assert history.history["learning_rate"] == [0.5, 0.25, 0.125]
    assert cases.number(model.optimizer.iterations) <= cases.updates(12)


def test_mixed_float16_wraps_and_steps_over_infinite_gradients():
    keras.config.set_dtype_policy("mixed_float16")
    model = small_model()
    optimizer = LearningRateMultiplier(sgd(0.5), HALF)
    model.compile(optimizer=optimizer, loss="mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.optimizer.inner_optimizer is optimizer
    model.optimizer.build(model.trainable_variables)
    before = [cases.value(v) for v in model.trainable_variables]
    scale = cases.number(model.optimizer.dynamic_scale)
    infinite = [tf.fill(v.shape, np.float32("inf")) for v in model.trainable_variables]
    cases.STRATEGY.run(lambda: model.optimizer.apply(infinite, model.trainable_variables))
    assert cases.number(optimizer.inner_optimizer._iterations) == 0
    assert cases.number(model.optimizer.dynamic_scale) == scale / 2
    ones = [tf.ones(v.shape) for v in model.trainable_variables]
    cases.apply(model.optimizer, ones, model.trainable_variables)
    rates = (0.25, 0.25, 0.5, 0.5)
    for variable, value, rate in zip(model.trainable_variables, before, rates, strict=True):
        np.testing.assert_allclose(cases.value(variable), value - rate, rtol=1e-5)


def test_ema_values_are_written_at_the_end_of_fit():
    inner = sgd(0.5, use_ema=True, ema_momentum=0.9)
    model = compiled(inner)
    fit(model)
    averages = inner._model_variables_moving_average
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(cases.value(variable), cases.value(average))


@pytest.mark.parametrize("policy", FLOAT32_AND_16)
def test_swap_ema_weights_callback_finds_the_averages(policy):
    keras.config.set_dtype_policy(policy)
    model = small_model()
    inner = sgd(0.1, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer=LearningRateMultiplier(inner, HALF), loss="mse")
    fit(model, callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True)])
    for variable, average in zip(
        model.trainable_variables, inner._model_variables_moving_average, strict=True
    ):
        np.testing.assert_allclose(cases.value(variable), cases.value(average))


@pytest.mark.parametrize(
    "name, suffix",
    [
        ("SGD", ".keras"),
        ("AdamW", ".keras"),
        ("AdamW", ".weights.h5"),
        ("Nadam", ".keras"),
        ("Adafactor", ".weights.h5"),
        ("SignDescent", ".keras"),
    ],
)
def test_training_goes_on_after_a_reload_as_if_it_had_not_stopped(name, suffix, tmp_path):
    model = compiled(cases.make(name, 0.01))
    fit(model)
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        reloaded = keras.models.load_model(path)
    else:
        model.save_weights(path)
        reloaded = compiled(cases.make(name, 0.01))
        reloaded.optimizer.build(reloaded.trainable_variables)
        reloaded.load_weights(path)
    optimizer = cases.unscaled(reloaded.optimizer)
    assert isinstance(optimizer, LearningRateMultiplier)
    assert list(optimizer.multipliers.items()) == HALF
    assert cases.number(optimizer.iterations) == cases.updates(4)
    fit(model)
    fit(reloaded)
    for value, expected in zip(reloaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


@finite_together
def test_mixed_float16_model_reloads_in_mid_training(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    model = small_model()
    model.compile(optimizer=LearningRateMultiplier(cases.make("AdamW"), HALF), loss="mse")
    fit(model)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(reloaded.optimizer.inner_optimizer, LearningRateMultiplier)
    fit(model)
    fit(reloaded)
    for value, expected in zip(reloaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_nadams_product_of_momenta_is_among_the_variables_that_a_loss_scale_saves():
    inner = keras.optimizers.Nadam()
    scaled = keras.optimizers.LossScaleOptimizer(LearningRateMultiplier(inner, HALF))
    scaled.build(cases.variables("slow_kernel", "kernel"))
    assert sum(variable is inner._u_product for variable in scaled.variables) == 1


def test_saved_file_holds_the_optimizer_state_once(tmp_path):
    def size(optimizer):
        inputs = keras.Input((256,))
        model = cases.SmallModel(inputs, keras.layers.Dense(256, name="slow")(inputs))
        model.compile(optimizer=optimizer, loss="mse")
        model.optimizer.build(model.trainable_variables)
        model.save(tmp_path / "model.keras")
        return (tmp_path / "model.keras").stat().st_size

    plain = size(keras.optimizers.Adam())
    assert size(LearningRateMultiplier("adam", [(".*", 0.5)])) < 1.05 * plain


def test_tensorflow_checkpoint_restores_the_state(tmp_path):
    trained = cases.variables("slow_kernel", "kernel")
    steps = cases.gradients(trained)
    optimizer = LearningRateMultiplier(cases.make("AdamW"), HALF)
    cases.train(optimizer, trained, steps)
    path = tf.train.Checkpoint(optimizer=optimizer).write(str(tmp_path / "checkpoint"))
    other = LearningRateMultiplier(cases.make("AdamW"), HALF)
    other.build(trained)
    tf.train.Checkpoint(optimizer=other).read(path).assert_existing_objects_matched()
    assert len(other.variables) == len(optimizer.variables)
    for variable, expected in zip(other.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(cases.value(variable), cases.value(expected))


def test_config_round_trip_keeps_arguments():
    optimizer = LearningRateMultiplier(
        keras.optimizers.AdamW(0.5, weight_decay=0.25), HALF, patterns_checked=True, name="mine"
    )
    config = keras.optimizers.serialize(optimizer)
    clone = keras.optimizers.deserialize(config)
    assert clone.get_config() == optimizer.get_config()
    assert clone.inner_optimizer.weight_decay == 0.25
    assert clone.patterns_checked and clone.name == "mine"


@pytest.mark.parametrize("inner", ["adam", {"class_name": "Adam", "config": {}}])
def test_inner_optimizer_may_be_what_keras_optimizers_get_takes(inner):
    optimizer = LearningRateMultiplier(inner, HALF)
    assert isinstance(optimizer.inner_optimizer, keras.optimizers.Adam)


def test_variables_and_weights_are_those_of_the_inner_optimizer():
    trained = cases.variables("slow_kernel", "kernel")
    optimizer = LearningRateMultiplier("adam", HALF)
    optimizer.build(trained)
    # iteration, learning_rate, and two slots for each variable
    assert len(optimizer.variables) == 2 + 2 * 2
    optimizer.set_weights([cases.value(v) + 1 for v in optimizer.variables])
    assert cases.number(optimizer.iterations) == 1


def test_build_twice_keeps_the_slots():
    trained = cases.variables("slow_kernel", "kernel")
    optimizer = LearningRateMultiplier(cases.SignDescent(learning_rate=0.5), HALF)
    optimizer.build(trained)
    number = len(optimizer.variables)
    optimizer.build(trained)
    assert len(optimizer.variables) == number


def test_multiplier_for_is_that_of_the_first_match():
    optimizer = LearningRateMultiplier("adam", [("a/kernel", 0.5), ("a/.*", 0.25)])
    with keras.name_scope("a"):
        kernel, bias = cases.variables("kernel", "bias")
    assert optimizer.multiplier_for(kernel) == 0.5
    assert optimizer.multiplier_for(bias) == 0.25
    assert optimizer.pattern_for(bias) == "a/.*"
    with pytest.raises(ValueError, match="No pattern matches the variable 'b'"):
        optimizer.multiplier_for(keras.Variable([1.0], name="b"))


def test_uncovered_variable_raises_when_built():
    model = small_model()
    model.compile(optimizer=LearningRateMultiplier("adam", {"slow.*": 0.5}), loss="mse")
    with pytest.raises(ValueError, match="No pattern matches the variable 'head/kernel'"):
        fit(model)


@pytest.mark.only_where(
    "Elsewhere the optimizer is built before the first step, which raises.",
    replicas=1,
    policy="float32",
)
def test_unused_pattern_raises_when_built_and_warns_in_a_step():
    model = small_model()
    multipliers = {"slow_dence/.*": 0.5, ".*": 1.0}
    with pytest.raises(ValueError, match="'slow_dense/kernel'"):
        LearningRateMultiplier("adam", multipliers).build(model.trainable_variables)
    model.compile(optimizer=LearningRateMultiplier("adam", multipliers), loss="mse")
    # `fit` of Keras shows the trainable variables only.
    with pytest.warns(UserWarning, match="'slow_dense/kernel'"):
        fit(model)


def test_pattern_of_frozen_layers_counts_as_used_after_check(tmp_path):
    model = small_model()
    model.get_layer("slow_dense").trainable = False
    with pytest.raises(ValueError, match=r"check\(model.variables\)"):
        LearningRateMultiplier("adam", HALF).build(model.trainable_variables)
    optimizer = LearningRateMultiplier("adam", HALF)
    optimizer.check(model.variables)
    model.compile(optimizer=optimizer, loss="mse")
    fit(model)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    assert cases.unscaled(reloaded.optimizer).patterns_checked
    with pytest.raises(ValueError, match="matches none"):
        LearningRateMultiplier("adam", {"solw.*": 1.0}).check(model.variables)


def test_failed_build_leaves_nothing_behind():
    optimizer = LearningRateMultiplier("adam", {"slow.*": 0.5})
    with pytest.raises(ValueError, match="No pattern"):
        optimizer.build(cases.variables("slow_kernel", "kernel"))
    assert not optimizer.built and not optimizer.inner_optimizer.built


def unwrappable():
    built = keras.optimizers.SGD()
    built.build(cases.variables("kernel"))
    found = [
        (lambda: None, "its name or its config"),
        (lambda: LearningRateMultiplier("sgd", HALF), "one list of multipliers"),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "goes around"),
        (lambda: keras.optimizers.Optimizer(learning_rate=0.1), "no `update_step"),
        (lambda: built, "is built already"),
    ]
    if hasattr(keras.optimizers, "MultiOptimizer"):
        groups = keras.optimizers.OptimizerMap(keras.optimizers.SGD())
        found.append((lambda: keras.optimizers.MultiOptimizer(groups), "no `update_step"))
    return found


def test_optimizers_that_cannot_be_wrapped_say_so_in_the_constructor():
    for make_inner, message in unwrappable():
        with pytest.raises(ValueError, match=message) as error:
            LearningRateMultiplier(make_inner(), HALF)
        assert "Received: " in str(error.value)


def test_update_step_alone_is_refused():
    variable = keras.Variable([1.0], name="kernel")
    with pytest.raises(NotImplementedError, match="call `apply`"):
        LearningRateMultiplier("sgd", HALF).update_step(tf.ones((1,)), variable, 0.1)


MIRRORED = """
import tensorflow as tf
from tests.distribution.devices import divide_cpu
divide_cpu(2)
import keras
import numpy as np
from keras_transfer.optimizers import LearningRateMultiplier
from keras_transfer.optimizers.slot_carry_over import carry_over

def run(strategy, policy, optimizer, multipliers):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    with strategy.scope():
        inputs = keras.Input((4,))
        x = keras.layers.Dense(5, activation="relu", name="slow")(inputs)
        model = keras.Model(inputs, keras.layers.Dense(1, name="head")(x))
        if multipliers:
            optimizer = LearningRateMultiplier(optimizer(), multipliers)
        else:
            optimizer = optimizer()
        model.compile(optimizer=optimizer, loss="mse")
    x = np.random.RandomState(0).normal(size=(32, 4))
    fit = lambda: model.fit(x, x[:, :1], batch_size=8, epochs=1, verbose=0, shuffle=False)
    fit()
    with strategy.scope():
        model.get_layer("slow").bias.trainable = False
        optimizer = carry_over(model.optimizer, model.trainable_variables)
        model.compile(optimizer=optimizer, loss="mse")
    fit()
    # In float16 the first steps are skipped, until the loss scale has come down.
    assert policy == "mixed_float16" or model.optimizer.iterations.numpy() == 8
    return model.get_weights()

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one = tf.distribute.get_strategy()
own_rates = {"slow/.*": 0.1, "head/.*": 1.0}
adamw = lambda: keras.optimizers.AdamW(0.01, weight_decay=0.5, use_ema=True)
two, expected = (run(s, "float32", adamw, own_rates) for s in (mirrored, one))
for value, expected_value in zip(two, expected):
    np.testing.assert_allclose(value, expected_value, rtol=1e-4, atol=1e-5)

# Keras clips before it adds up the replicas' gradients, so here one device is no reference.
clipped = lambda: keras.optimizers.AdamW(0.01, weight_decay=0.5, global_clipnorm=0.1)
unit, plain = (run(mirrored, "mixed_float16", clipped, m) for m in ({".*": 1.0}, None))
for value, expected_value in zip(unit, plain):
    np.testing.assert_array_equal(value, expected_value)
print("same")
"""


@pytest.mark.only_where(
    "It makes processes of its own.", policy="float32", replicas=1, accumulation_steps=1
)
@pytest.mark.slow
def test_mirrored_strategy_on_two_devices_trains_as_one_device_does():
    result = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, check=False
    )
    assert result.stdout.endswith("same\n"), result.stderr


def in_a_loop(model, optimizer, is_compiled):
    """A step of a loop that knows the trainable variables only."""

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(np.ones((2, 32, 32, 3), "float32"), training=True) ** 2)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return tf.function(step) if is_compiled else step


def plain_network():
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(2, 3, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    model.get_layer("conv").trainable = False
    return model


@pytest.mark.only_where("The loop of this test runs on one device.", replicas=1)
@pytest.mark.parametrize("is_compiled", [True, False])
def test_layerwise_rates_work_in_a_loop_without_a_check(is_compiled):
    model = TransferModel(mobilenet(), SoftmaxHead(3), UnfreezeLast(1))
    optimizer = LearningRateMultiplier("sgd", layerwise_decay(model))
    in_a_loop(model, optimizer, is_compiled)()
    assert optimizer.iterations == 1


@pytest.mark.only_where("The loop of this test runs on one device.", replicas=1)
@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_pattern_without_trainable_variables_warns_in_a_loop(is_compiled):
    model = plain_network()
    pairs = [(".*conv/.*", 0.1), (".*", 1.0)]
    optimizer = LearningRateMultiplier("sgd", pairs)
    with pytest.warns(UserWarning, match=r"'\.\*conv/\.\*', match none of the 2 trainable"):
        in_a_loop(model, optimizer, is_compiled)()
    checked = LearningRateMultiplier("sgd", pairs)
    checked.check(model.variables)
    in_a_loop(model, checked, is_compiled)()
    shadowed = LearningRateMultiplier("sgd", [(".*", 1.0), (".*dense/.*", 0.1)])
    with pytest.raises(ValueError, match="never used"):
        in_a_loop(model, shadowed, False)()


@pytest.mark.only_where("The loop of this test runs on one device.", replicas=1)
def test_variables_that_are_new_to_the_optimizer_end_in_one_line():
    model = plain_network()
    optimizer = LearningRateMultiplier("sgd", [(".*", 1.0)])
    in_a_loop(model, optimizer, False)()
    model.get_layer("conv").trainable = True
    with pytest.raises(ValueError, match=r"were layers unfrozen [^\n]*conv/kernel'$"):
        in_a_loop(model, optimizer, False)()


SCHEDULES = {
    "decay to zero": lambda: keras.optimizers.schedules.CosineDecay(0.1, 4),
    "warm-up from zero": lambda: keras.optimizers.schedules.CosineDecay(
        0.0, 10, warmup_target=0.1, warmup_steps=3
    ),
}


@pytest.mark.parametrize("graph", [True, False], ids=["graph", "eager"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_a_schedule_at_zero_leaves_finite_variables(name, schedule, graph):
    results = []
    for wrap in (False, True):
        trained = cases.variables("kernel", "bias")
        optimizer = cases.make(name, SCHEDULES[schedule]())
        if wrap:
            optimizer = LearningRateMultiplier(optimizer, {".*": 1.0})
        steps = cases.gradients(trained, steps=6)
        results.append(cases.train(optimizer, trained, steps, graph))
    inner, wrapped = results
    assert all(np.isfinite(values).all() for values in wrapped)
    for expected, values in zip(inner, wrapped, strict=True):
        if name != "Ftrl":  # of Keras, which divides by its rate
            np.testing.assert_array_equal(values, expected)
