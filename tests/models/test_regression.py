"""A regression in the units of its targets."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, freezing, heads, models, plans, training
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)
LIGHT = RANDOM.uniform(0.2, 1.0, 48)
IMAGES = (RANDOM.uniform(0, 255, (48, 16, 16, 3)) * LIGHT.reshape(-1, 1, 1, 1)).astype(
    "float32"
)
PRICES = 250_000 + 100_000 * LIGHT
PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 20, 1e-2)])


def make(head=None, **arguments):
    model = models.TransferModel(residual_backbone("tf"), head or heads.DenseHead(1))
    model.compile(**arguments)
    return model


def scale(model, name="head_output"):
    layer = model.get_layer(name)
    return np.array(layer.mean), np.array(layer.deviation)


def dataset(targets=PRICES):
    return tf.data.Dataset.from_tensor_slices((IMAGES, targets)).batch(16)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(16 * index, 16 * index + 16)
        return IMAGES[part], PRICES[part]


def generator():
    while True:
        yield IMAGES[:16], PRICES[:16]


def tuned(folder, train):
    model = make()
    training.fine_tune(model, train, plan=PLAN, cache=features.FeatureCache(folder), verbose=0)
    return model


def fitted(*arguments, **keyword_arguments):
    model = make()
    model.fit(*arguments, verbose=0, **keyword_arguments)
    return model


@pytest.mark.parametrize(
    ("train", "targets"),
    [
        (lambda folder: fitted(IMAGES, PRICES), PRICES),
        (lambda folder: fitted(IMAGES, PRICES[:, None]), PRICES),
        (lambda folder: fitted(dataset()), PRICES),
        (lambda folder: fitted(Batches()), PRICES),
        (lambda folder: fitted(generator(), steps_per_epoch=2), PRICES[:16]),
        (lambda folder: fitted(dataset().repeat(), steps_per_epoch=2), PRICES[:16]),
        (lambda folder: tuned(folder, dataset()), PRICES),
        (lambda folder: tuned(folder, (IMAGES, PRICES)), PRICES),
    ],
)
def test_the_head_takes_the_scale_of_the_training_targets(tmp_path, train, targets):
    mean, deviation = scale(train(tmp_path))
    np.testing.assert_allclose(mean, [targets.mean()], rtol=1e-6)
    np.testing.assert_allclose(deviation, [targets.std()], rtol=1e-5)


@pytest.mark.parametrize("train", ["fit", "fine_tune"])
def test_prices_are_learned_in_their_units(tmp_path, train):
    keras.utils.set_random_seed(0)
    if train == "fit":
        model = make(optimizer=keras.optimizers.Adam(1e-2))
        history = model.fit(IMAGES, PRICES, epochs=20, verbose=0)
    else:
        model = make()
        history = training.fine_tune(
            model, (IMAGES, PRICES), plan=PLAN, cache=features.FeatureCache(tmp_path), verbose=0
        )
    predicted = model.predict(IMAGES, verbose=0).ravel()
    error = np.abs(predicted - PRICES).mean()
    assert error < np.abs(PRICES - PRICES.mean()).mean()
    assert history.history["loss"][-1] < 1
    measured = model.evaluate(IMAGES, PRICES, return_dict=True, verbose=0)
    assert measured["mean_absolute_error"] == pytest.approx(error, rel=1e-3)
    # The loss is that of standardized targets.
    standardized = np.mean(((predicted - PRICES) / PRICES.std()) ** 2)
    assert measured["loss"] == pytest.approx(standardized, rel=1e-3)


def test_scale_survives_saving_copying_and_another_fit(tmp_path):
    model = make(heads.DenseHead(2))
    model.fit(IMAGES, np.stack([PRICES, LIGHT / 1e6], axis=1), verbose=0)
    mean, deviation = scale(model)
    np.testing.assert_allclose(deviation, [PRICES.std(), LIGHT.std() / 1e6], rtol=1e-4)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    model.copy().save_weights(tmp_path / "model.weights.h5")
    other = models.TransferModel(residual_backbone("tf"), heads.DenseHead(2))
    other.load_weights(tmp_path / "model.weights.h5")
    for same in (reloaded, model.copy(), other):
        np.testing.assert_array_equal(
            same.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
        )
    reloaded.fit(IMAGES, np.zeros((48, 2)), verbose=0)
    np.testing.assert_array_equal(scale(reloaded), (mean, deviation))


@pytest.mark.parametrize("constant", [0.0, 7.0, -1e6])
def test_constant_targets_are_predicted(constant):
    model = make()
    targets = np.full(48, constant)
    model.fit(IMAGES, targets, validation_data=(IMAGES, targets), epochs=2, verbose=0)
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0)[:, 0], targets, atol=1e-2)


def test_each_of_several_regressions_has_its_scale():
    model = make({"price": heads.DenseHead(1), "kind": heads.SoftmaxHead(2)})
    model.fit(IMAGES, {"price": PRICES, "kind": np.arange(48) % 2}, verbose=0)
    np.testing.assert_allclose(scale(model, "price")[0], PRICES.mean(), rtol=1e-6)


def test_the_scale_is_exact_for_large_means():
    years = 1e7 + np.arange(48.0)
    _, deviation = scale(fitted(dataset(years)))
    np.testing.assert_allclose(deviation, years.std(), rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "is_standardized"),
    [("mse", True), (keras.losses.MeanAbsoluteError(), True), (keras.losses.Huber(), False)],
)
def test_only_losses_that_do_not_change_in_kind_are_standardized(loss, is_standardized):
    model = make(loss=loss)
    model.adapt_heads([PRICES])
    found = model.evaluate(IMAGES, PRICES, verbose=0)
    assert (found < 2) == is_standardized


def test_an_output_with_an_activation_has_no_scale():
    model = make(heads.DenseHead(1, activation="sigmoid"))
    assert type(model.get_layer("head_output")) is keras.layers.Dense


@pytest.mark.parametrize("noisy", [True, False])
def test_a_result_that_is_worse_than_the_mean_raises_a_warning(tmp_path, noisy):
    rate = 10.0 if noisy else 1e-3
    validation = (IMAGES, PRICES)

    def fit():
        model = make(optimizer=keras.optimizers.Adam(rate))
        model.fit(IMAGES, PRICES, epochs=2, validation_data=validation, verbose=0)

    def tune():
        plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 2, rate, warmup=0.0)])
        cache = features.FeatureCache(tmp_path)
        training.fine_tune(make(), (IMAGES, PRICES), validation, plan, cache=cache, verbose=0)

    for train in (fit, tune):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train()
        told = [str(one.message) for one in caught]
        assert any("worse than its own starting point" in one for one in told) == noisy


def test_the_finder_of_rates_sees_the_scale_and_leaves_the_model_alone():
    model = make()
    found = training.find_learning_rate(model, (IMAGES, PRICES), steps=10)
    assert found.losses[0] == pytest.approx(1, abs=0.5)
    assert model.get_layer("head_output").is_fresh


class Kill(keras.callbacks.Callback):
    """Ends the training at the start of an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_a_resumed_training_has_the_same_scale(tmp_path):
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 3, 1e-2)])
    arguments = {"plan": plan, "cache": False, "directory": tmp_path, "verbose": 0}
    keras.utils.set_random_seed(0)
    killed = make()
    keras.utils.set_random_seed(0)
    resumed = make()
    with pytest.raises(KeyboardInterrupt):
        training.fine_tune(killed, (IMAGES, PRICES), callbacks=[Kill()], **arguments)
    history = training.fine_tune(resumed, (IMAGES, PRICES), **arguments)
    assert len(history.epoch) == 3
    np.testing.assert_array_equal(scale(resumed), scale(killed))


def test_only_a_scaled_head_begins_a_pass_to_adapt_it(monkeypatch):
    begun, begin = [], tf.data.Dataset.__iter__
    monkeypatch.setattr(
        tf.data.Dataset, "__iter__", lambda data: begun.append(data) or begin(data)
    )
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2)])

    def number_of_passes(head):
        begun.clear()
        train = dataset(np.arange(48) % 2)
        training.fine_tune(make(head), train, plan=plan, cache=False, verbose=0)
        return len(begun)

    others = number_of_passes(heads.SoftmaxHead(2))
    assert number_of_passes(heads.DenseHead(1)) == others + 1
