import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeNone, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.optimizers import LearningRateMultiplier, layerwise_decay
from keras_transfer.training import find_learning_rate
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 1, (24, 16, 16, 3)).astype("float32")
LABELS = np.arange(24) % 3
DATASET = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8)


class NoisySeedless(keras.layers.Layer):
    """Noise from Keras' global generator."""

    def call(self, inputs, training=False):
        return inputs + 0.1 * keras.random.normal(keras.ops.shape(inputs)) * float(training)


def random_network():
    """Dropout, BatchNormalization that is trained, and noise without a seed."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, strides=4)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5, seed=1)(x)
    x = keras.layers.Flatten()(NoisySeedless()(x))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def compiled(optimizer, loss="sparse_categorical_crossentropy"):
    keras.utils.set_random_seed(1)
    model = random_network()
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def multiplied(inner):
    return LearningRateMultiplier(inner, {"dense.*": 1.0, ".*": 0.5})


def loss_scaled(inner):
    return keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=3)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "adam with averages": lambda: keras.optimizers.Adam(1e-3, use_ema=True),
    "accumulating": lambda: keras.optimizers.AdamW(1e-3, gradient_accumulation_steps=2),
    "nadam": lambda: keras.optimizers.Nadam(1e-3),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 20)),
    "function": lambda: keras.optimizers.Adam(lambda: 1e-3),
    "multiplier": lambda: multiplied(keras.optimizers.AdamW(1e-3)),
    "multiplied schedule": lambda: multiplied(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(1e-2, 20))
    ),
    "loss scale": lambda: loss_scaled(keras.optimizers.Adam(1e-3)),
    "scaled multiplier": lambda: loss_scaled(multiplied(keras.optimizers.SGD(1e-2))),
}


def state(model):
    """All that a training goes on from, as bytes and values."""
    module = keras.random.SeedGenerator.__module__
    generator = __import__(module, fromlist=["x"]).global_seed_generator()
    variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    rate = model.optimizer.learning_rate
    return {
        "variables": {v.path + str(i): bytes_of(v) for i, v in enumerate(variables)},
        "attributes": {name: id(value) for name, value in vars(model).items()},
        "optimizer": id(model.optimizer),
        "built": model.optimizer.built,
        "iterations": bytes_of(model.optimizer.iterations),
        "learning rate": np.float32(rate).tobytes(),
        "train_function": id(model.train_function),
        "keras": bytes_of(generator.state),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tobytes(),
    }


def bytes_of(variable):
    return keras.ops.convert_to_numpy(variable).tobytes()


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_model_in_the_middle_of_a_training_is_as_it_was(make):
    model = compiled(make())
    model.optimizer.build(model.trainable_variables)  # else Keras traces the step twice
    model.fit(DATASET, shuffle=False, epochs=2, verbose=0)
    before = state(model)
    found = find_learning_rate(model, DATASET, steps=10)
    assert len(found.rates) > 3
    assert state(model) == before


@pytest.mark.parametrize(
    ("name", "trained"),
    [("adam with averages", True), ("schedule", False), ("scaled multiplier", True)],
)
def test_training_afterwards_gives_the_same_weights(name, trained):
    weights = []
    for finds in (False, True):
        model = compiled(OPTIMIZERS[name]())
        if trained:
            model.fit(DATASET, shuffle=False, verbose=0)
        if finds:
            find_learning_rate(model, DATASET, steps=12)
            assert model.optimizer.built == trained
        history = model.fit(DATASET, shuffle=False, epochs=2, verbose=0).history
        weights.append([bytes_of(v) for v in [*model.variables, *model.optimizer.variables]])
        weights[-1].append(history)
    assert weights[0] == weights[1]


def test_model_is_put_back_after_an_error():
    model = compiled("adam")
    model.fit(DATASET, shuffle=False, verbose=0)
    before = state(model)

    def breaking():
        yield from DATASET.take(2)
        raise KeyboardInterrupt

    dataset = tf.data.Dataset.from_generator(
        lambda: (tuple(map(np.asarray, pair)) for pair in breaking()),
        output_signature=DATASET.element_spec,
    )
    with pytest.raises((KeyboardInterrupt, tf.errors.OpError)):
        find_learning_rate(model, dataset, steps=10)
    assert state(model) == before


def test_trainable_set_that_has_changed_is_followed():
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    model.compile()
    model.fit(DATASET, shuffle=False, verbose=0)
    for layer in model.backbone.layers[-2:]:
        layer.trainable = True  # after `compile`, and not by a policy
    optimizer = model.optimizer
    find_learning_rate(model, DATASET, steps=10)
    assert model.optimizer is optimizer
    kernel = model.get_layer("conv_2").kernel.numpy()
    model.fit(DATASET, shuffle=False, verbose=0)
    assert (model.get_layer("conv_2").kernel.numpy() != kernel).any()


def test_cached_features_come_in_the_order_in_which_they_would(tmp_path):
    weights = []
    for finds in (False, True):
        keras.utils.set_random_seed(2)
        backbone = residual_backbone()
        model = TransferModel(backbone, SoftmaxHead(3, dropout=0.3), UnfreezeLast(1))
        rates = layerwise_decay(model, 0.7)
        model.compile(LearningRateMultiplier("adamw", rates))
        cached = FeatureCache(tmp_path).extract(model, DATASET).batched(8, shuffle=True)
        features = cached.as_inputs()
        if finds:
            find_learning_rate(model, features, steps=10)
            assert cached.epochs.begun == 0
        model.fit(features, shuffle=False, epochs=2, verbose=0)
        weights.append([bytes_of(variable) for variable in model.variables])
    assert weights[0] == weights[1]


def test_statistics_of_batch_normalization_are_put_back():
    policy = FreezeNone(batch_norm="trainable")
    model = TransferModel(residual_backbone(), SoftmaxHead(3), policy)
    model.compile("sgd")
    before = model.get_layer("bn1").moving_mean.numpy()
    find_learning_rate(model, DATASET, steps=10)
    np.testing.assert_array_equal(model.get_layer("bn1").moving_mean.numpy(), before)


class Squared(keras.Model):
    """Its loss is w^2 / 2, whatever the data."""

    def __init__(self, start=1.0, lowest=0.0):
        super().__init__()
        self.w = self.add_weight(shape=(), initializer=keras.initializers.Constant(start))
        self.lowest = lowest
        self.built = True

    def call(self, inputs):
        return keras.ops.reshape(self.w**2 / 2 + self.lowest, (1, 1))


def mean_of_output(truth, predicted):
    return predicted


ONE = tf.data.Dataset.from_tensors((np.zeros((1, 1)), np.zeros((1, 1))))


def squared(optimizer=None, **arguments):
    model = Squared(**arguments)
    model.compile(optimizer or keras.optimizers.SGD(1.0), mean_of_output)
    return model


def test_rates_rise_geometrically_and_losses_are_those_before_the_step():
    found = find_learning_rate(squared(), ONE, 1e-3, 1e-1, steps=11, smoothing=0.0)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-3, 1e-1, 11))
    # By hand: w <- w - rate * w
    shrunk = np.cumprod([1.0, *(1 - np.array(found.rates[:-1]))])
    np.testing.assert_allclose(found.losses, shrunk**2 / 2, rtol=1e-5)
    assert found.smoothed == pytest.approx(found.losses) and not found.diverged


def test_a_multiplier_has_the_swept_rate_for_its_base():
    halved = LearningRateMultiplier(keras.optimizers.SGD(1.0), {".*": 0.5})
    first = find_learning_rate(squared(halved), ONE, 2e-3, 2e-1, steps=11)
    second = find_learning_rate(squared(), ONE, 1e-3, 1e-1, steps=11)
    assert first.losses == second.losses


def test_smoothed_loss_is_corrected_for_its_start():
    found = find_learning_rate(squared(), ONE, 0.01, 1.0, steps=10, smoothing=0.5)
    first, second, third = found.losses[:3]
    # The weights 1; 1/2, 1; 1/4, 1/2, 1 divided by their sums.
    expected = [first, (first + 2 * second) / 3, (first + 2 * second + 4 * third) / 7]
    assert found.smoothed[:3] == pytest.approx(expected)


def test_it_stops_where_the_loss_diverges():
    found = find_learning_rate(squared(), ONE, 0.013, 100.0, steps=25, smoothing=0.0)
    assert found.diverged and len(found.rates) < 25
    # From a rate of 2 on, w grows.
    assert found.rates[-1] > 2
    *earlier, last = found.smoothed
    assert last > 4 * min(earlier)
    assert found.steepest < 2 and found.valley < 2


def test_it_stops_where_the_loss_is_not_finite_and_loss_may_be_negative():
    below_zero = squared(lowest=-10.0)
    found = find_learning_rate(below_zero, ONE, 0.1, 1e30, steps=100, divergence=1e6)
    assert found.diverged and np.isfinite(found.losses).all() and min(found.losses) < 0
    assert below_zero.w.numpy() == 1.0


def test_data_begin_anew_where_they_end_and_may_be_arrays():
    model = compiled("sgd")
    short = find_learning_rate(model, DATASET.take(1), highest=1e-3, steps=20)
    assert len(short.rates) == 20
    arrays = find_learning_rate(model, (IMAGES, LABELS), highest=1e-3, steps=10)
    assert len(arrays.rates) == 10


def test_models_that_run_eagerly_do():
    model = compiled("sgd")
    model.run_eagerly = True
    seen = []
    model.train_step = lambda data: seen.append(float(data[0][0, 0, 0, 0])) or {"loss": 1.0}
    find_learning_rate(model, DATASET, steps=10)
    assert len(seen) == 10


def test_loss_that_stays_where_it_is_suggests_nothing():
    found = find_learning_rate(squared(start=0.0, lowest=1.0), ONE, steps=10)
    assert found.steepest is None and found.valley is None
    assert "did not fall" in found.conclusion


def no_loss():
    model = compiled("sgd")
    model.train_step = lambda data: {"accuracy": 1.0}
    return model


def frozen():
    model = compiled("sgd")
    model.trainable = False
    return model


MODELS = {
    "must be compiled": random_network,
    "no trainable weights": frozen,
    "must return 'loss' among its logs": no_loss,
    "loss is not finite in the first step": lambda: squared(start=float("nan")),
}


@pytest.mark.parametrize(("told", "make"), MODELS.items(), ids=MODELS)
def test_models_that_cannot_be_swept_are_refused(told, make):
    model = make()
    with pytest.raises(ValueError, match=told):
        find_learning_rate(model, ONE if isinstance(model, Squared) else DATASET)


def test_model_on_several_replicas_is_refused(monkeypatch):
    model = compiled("sgd")
    monkeypatch.setattr(
        type(model.distribute_strategy), "num_replicas_in_sync", 2, raising=False
    )
    with pytest.raises(ValueError, match="Received: a model on 2 replicas"):
        find_learning_rate(model, DATASET)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"lowest": 0.0}, "`lowest` must be positive"),
        ({"lowest": 1.0, "highest": 1.0}, "below `highest`"),
        ({"steps": 9}, "at least 10. Received: steps=9"),
        ({"steps": 20.0}, "Received: steps=20.0"),
        ({"smoothing": 1.0}, "Received: smoothing=1.0"),
        ({"divergence": 1.0}, "divergence=1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, told):
    with pytest.raises(ValueError, match=told.replace(".", r"\.")):
        find_learning_rate(squared(), ONE, **arguments)


def test_empty_data_are_refused():
    with pytest.raises(ValueError, match="The data set is empty"):
        find_learning_rate(squared(), ONE.take(0))
