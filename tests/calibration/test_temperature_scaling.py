import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import serving
from keras_transfer.backbones import Backbone
from keras_transfer.calibration import calibrated, measure_calibration
from keras_transfer.calibration.temperature_scaling import (
    LOWEST,
    apply_temperature,
    at_temperature,
    fit_temperature,
    temperature_of_logits,
)
from keras_transfer.heads import DenseHead, SigmoidHead, SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits
from tests.calibration.made_up_predictions import draw_logits, softmax
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (96, 16, 16, 3)).astype("float32")


def enlarge_logits(model):
    kernel = model.layers[-1].kernel
    kernel.assign(6 / logits(model, IMAGES).std() * kernel)
    return model


def overconfident(**arguments):
    """A model with large logits, and labels of which it predicts two in three."""
    model = enlarge_logits(TransferModel(residual_backbone(), SoftmaxHead(3, **arguments)))
    model.layers[-1].bias.assign([0.5, -0.25, 1.0])
    predicted = model.predict(IMAGES, verbose=0).argmax(axis=1)
    return model, np.where(np.arange(96) % 3 == 0, (predicted + 1) % 3, predicted)


HEADS = {
    "plain": {},
    "hidden layers": {"hidden_units": (4, 3), "normalization": "batch", "dropout": 0.5},
    "both poolings": {"pooling": "avgmax"},
}


@pytest.mark.parametrize("arguments", HEADS.values(), ids=HEADS)
def test_logits_are_divided_exactly(arguments):
    model, _ = overconfident(**arguments)
    before, names = logits(model, IMAGES), [layer.name for layer in model.layers]
    apply_temperature(model, 4.0)  # a power of two, by which division is exact
    np.testing.assert_array_equal(logits(model, IMAGES), before / 4)
    assert [layer.name for layer in model.layers] == names


def test_copy_is_calibrated_and_the_model_does_not_change():
    model, labels = overconfident()
    fitted, others = slice(0, 48), slice(48, None)
    before = model.predict(IMAGES, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES[fitted], labels[fitted])).batch(10)
    found = calibrated(model, dataset.shuffle(5))
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), before)
    assert not {id(layer) for layer in found.layers} & {id(layer) for layer in model.layers}
    temperature = fit_temperature(before[fitted], labels[fitted])
    assert temperature > 1
    after = found.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(after, at_temperature(before, temperature), atol=1e-4)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))
    errors = [measure_calibration(p[others], labels[others]).ece for p in (before, after)]
    assert errors[1] < errors[0] / 2


def test_saved_file_and_export_are_calibrated(tmp_path):
    model, labels = overconfident()
    found = calibrated(model, (IMAGES, labels))
    version = serving.export(found, tmp_path, ["a", "b", "c"])
    served = tf.saved_model.load(str(version)).signatures["images"]
    found.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = found.predict(IMAGES, verbose=0)
    for probabilities in (
        served(images=tf.constant(IMAGES))["probabilities"].numpy(),
        loaded.predict(IMAGES, verbose=0),
    ):
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_layer_of_the_users_own_is_copied():
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    inputs = keras.Input((16, 16, 3))
    network = keras.Model(inputs, keras.layers.Conv2D(2, 3)(Doubled()(inputs)))
    model = enlarge_logits(TransferModel(Backbone.from_model(network), SoftmaxHead(3)))
    labels = model.predict(IMAGES, verbose=0).argmax(axis=1)
    labels[::3] += 1
    found = calibrated(model, (IMAGES, labels % 3))
    assert found.predict(IMAGES, verbose=0).shape == (96, 3)


@pytest.mark.parametrize(
    ("one_hot", "columns"), [(False, None), (False, 1), (True, None)], ids=str
)
def test_labels_may_be_integers_or_one_hot(one_hot, columns):
    model, labels = overconfident()
    truth = np.eye(3, dtype="float32")[labels] if one_hot else labels
    truth = truth[:, np.newaxis] if columns else truth
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, truth)).batch(32)
    expected = calibrated(model, (IMAGES, labels)).predict(IMAGES, verbose=0)
    found = calibrated(model, dataset).predict(IMAGES, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_perfect_predictions_raise_a_warning():
    model, _ = overconfident()
    labels = model.predict(IMAGES, verbose=0).argmax(axis=1)
    with pytest.warns(UserWarning, match="at the bound of 0.1"):
        calibrated(model, (IMAGES, labels))


@pytest.mark.parametrize("as_arrays", [True, False])
def test_one_head_in_a_dict_is_calibrated(as_arrays):
    model = enlarge_logits(TransferModel(residual_backbone(), {"colour": SoftmaxHead(3)}))
    before = model.predict(IMAGES, verbose=0)["colour"]
    labels = {"colour": np.where(np.arange(96) % 3, before.argmax(axis=1), 0)}
    data = (IMAGES, labels)
    if not as_arrays:
        data = tf.data.Dataset.from_tensor_slices(data).batch(32)
    temperature = fit_temperature(before, labels["colour"])
    after = calibrated(model, data).predict(IMAGES, verbose=0)["colour"]
    np.testing.assert_allclose(after, at_temperature(before, temperature), atol=1e-5)


def test_other_heads_and_data_are_refused():
    backbone = residual_backbone()
    for head in (
        DenseHead(2),
        SigmoidHead(2),
        {"colour": SoftmaxHead(2), "shape": SoftmaxHead(3)},
    ):
        model = TransferModel(backbone.copy(), head)
        with pytest.raises(ValueError, match="with one `SoftmaxHead`"):
            calibrated(model, (IMAGES, np.zeros(96, int)))
    model, labels = overconfident()
    with pytest.raises(ValueError, match="Received: temperature=0"):
        apply_temperature(model, 0)
    with pytest.raises(ValueError, match="The data must have labels"):
        calibrated(model, tf.data.Dataset.from_tensor_slices(IMAGES).batch(32))
    empty = tf.data.Dataset.from_tensor_slices((IMAGES[:0], labels[:0])).batch(32)
    with pytest.raises(ValueError, match="an empty dataset"):
        calibrated(model, empty)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_temperature_is_by_how_much_logits_are_too_large(scale):
    probabilities, labels = draw_logits(np.random.default_rng(0), 20_000, scale)
    assert fit_temperature(probabilities, labels) == pytest.approx(scale, rel=0.05)


def test_likelihood_is_lower_on_either_side():
    probabilities, labels = draw_logits(np.random.default_rng(1), 500, 2.0)
    found = fit_temperature(probabilities, labels)

    def loss(temperature):
        scaled = at_temperature(probabilities, temperature)
        return -np.log(scaled[np.arange(500), labels]).mean()

    assert loss(found) < min(loss(0.99 * found), loss(1.01 * found))


def test_probabilities_at_a_temperature_are_those_of_divided_logits():
    logits = np.random.default_rng(2).normal(size=(5, 3))
    np.testing.assert_allclose(at_temperature(softmax(logits), 2.5), softmax(logits / 2.5))


def test_error_of_an_overconfident_model_falls_on_a_test_set():
    probabilities, labels = draw_logits(np.random.default_rng(3), 4000, 3.0)
    temperature = fit_temperature(probabilities[:1000], labels[:1000])
    others, truth = probabilities[1000:], labels[1000:]
    scaled = at_temperature(others, temperature)
    before, after = (measure_calibration(p, truth).ece for p in (others, scaled))
    assert after < before / 2
    np.testing.assert_array_equal(scaled.argmax(axis=1), others.argmax(axis=1))


def test_perfect_and_hopeless_predictions_have_a_bounded_temperature():
    rows = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert fit_temperature(rows, np.array([0, 1])) == 0.1
    assert fit_temperature(rows, np.array([1, 0])) == 1000.0
    certain = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])  # their logarithms are infinite
    assert 0.1 <= fit_temperature(certain, np.array([0, 1, 1])) <= 1000


def test_certain_predictions_that_are_right_are_at_the_bound_although_their_loss_is_zero():
    labels = np.arange(30) % 3
    assert temperature_of_logits(100.0 * np.eye(3)[labels], labels) == LOWEST


def test_temperature_is_right_where_probabilities_saturate():
    # The logits are 66 times too large: in float32 most probabilities are 0 or 1.
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    raw = logits(model, IMAGES)
    model.layers[-1].kernel.assign(2 / raw.std() * model.layers[-1].kernel)
    model.layers[-1].bias.assign([0.0, 0.0, 0.0])
    random = np.random.default_rng(0)
    shares = softmax(logits(model, IMAGES))
    labels = np.array([random.choice(3, p=row / row.sum()) for row in shares.astype(float)])
    expected = temperature_of_logits(logits(model, IMAGES), labels)
    before = calibrated(model, (IMAGES, labels)).predict(IMAGES, verbose=0)
    for variable in model.layers[-1].weights:
        variable.assign(66 * variable)
    saturated = model.predict(IMAGES, verbose=0)
    assert (saturated == 0).mean() > 0.1
    found = temperature_of_logits(logits(model, IMAGES), labels)
    assert found == pytest.approx(66 * expected, rel=1e-3)
    after = calibrated(model, (IMAGES, labels)).predict(IMAGES, verbose=0)
    np.testing.assert_allclose(after, before, atol=1e-3)
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), saturated)
