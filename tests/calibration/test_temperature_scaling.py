import json

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import serving
from keras_transfer.calibration import apply_temperature, calibrate, expected_calibration_error
from keras_transfer.calibration.temperature_fit import at_temperature
from keras_transfer.heads import DenseHead, SigmoidHead, SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (96, 16, 16, 3)).astype("float32")


def over_confident(**arguments):
    """A model with large logits, and labels that it is right about for two in three."""
    model = TransferModel(residual_backbone(), SoftmaxHead(3, **arguments))
    layer = model.layers[-1]
    spread = logits(model, IMAGES)
    layer.kernel.assign(6 / spread.std() * layer.kernel)
    layer.bias.assign([0.5, -0.25, 1.0])
    predicted = model.predict(IMAGES, verbose=0).argmax(axis=1)
    return model, np.where(np.arange(96) % 3 == 0, (predicted + 1) % 3, predicted)


HEADS = {
    "plain": {},
    "hidden layers": {"hidden_units": (4, 3), "normalization": "batch", "dropout": 0.5},
    "both poolings": {"pooling": "avgmax"},
}


@pytest.mark.parametrize("arguments", HEADS.values(), ids=HEADS)
def test_logits_are_divided_exactly(arguments):
    model, _ = over_confident(**arguments)
    before, names = logits(model, IMAGES), [layer.name for layer in model.layers]
    apply_temperature(model, 4.0)  # a power of two, by which division is exact
    np.testing.assert_array_equal(logits(model, IMAGES), before / 4)
    assert [layer.name for layer in model.layers] == names


def test_calibration_is_what_it_says_and_keeps_the_accuracy():
    model, labels = over_confident()
    fitted, held_out = slice(0, 48), slice(48, None)
    before = model.predict(IMAGES, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES[fitted], labels[fitted])).batch(10)
    found = calibrate(model, dataset.shuffle(5))
    after = model.predict(IMAGES, verbose=0)
    assert found.temperature > 1 and not found.is_bounded
    np.testing.assert_allclose(after, at_temperature(before, found.temperature), atol=1e-5)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))
    errors = [
        expected_calibration_error(p[held_out], labels[held_out]) for p in (before, after)
    ]
    assert errors[1] < errors[0] / 2
    assert found.before.ece == pytest.approx(
        expected_calibration_error(before[fitted], labels[fitted]), abs=1e-5
    )
    assert "that it was fitted on. Measure it on others." in found.conclusion
    assert json.loads(json.dumps(found.to_json()))["temperature"] == found.temperature


def test_export_and_saved_file_give_the_calibrated_probabilities(tmp_path):
    model, labels = over_confident()
    before = model.predict(IMAGES, verbose=0)
    calibrate(model, (IMAGES, labels))
    version = serving.export(model, tmp_path, ["a", "b", "c"])
    served = tf.saved_model.load(str(version)).signatures["images"]
    probabilities = served(images=tf.constant(IMAGES))["probabilities"].numpy()
    after = model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(probabilities, after, atol=1e-5)
    errors = [expected_calibration_error(p, labels) for p in (before, probabilities)]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize(
    ("one_hot", "columns"), [(False, None), (False, 1), (True, None)], ids=str
)
def test_labels_of_any_kind_are_understood(one_hot, columns):
    model, labels = over_confident()
    truth = np.eye(3, dtype="float32")[labels] if one_hot else labels
    truth = truth[:, np.newaxis] if columns else truth
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, truth)).batch(32)
    other, _ = over_confident()
    other.set_weights(model.get_weights())
    expected = calibrate(other, (IMAGES, labels)).temperature
    assert calibrate(model, dataset).temperature == pytest.approx(expected)


def test_perfect_predictions_are_told_to_say_little():
    model, _ = over_confident()
    found = calibrate(model, (IMAGES, model.predict(IMAGES, verbose=0).argmax(axis=1)))
    assert found.is_bounded and "as low as allowed" in found.conclusion


@pytest.mark.parametrize("as_arrays", [True, False])
def test_one_head_in_a_dict_is_calibrated(as_arrays):
    model = TransferModel(residual_backbone(), {"colour": SoftmaxHead(3)})
    before = model.predict(IMAGES, verbose=0)["colour"]
    labels = {"colour": np.arange(96) % 3}
    data = (IMAGES, labels)
    if not as_arrays:
        data = tf.data.Dataset.from_tensor_slices(data).batch(32)
    temperature = calibrate(model, data).temperature
    after = model.predict(IMAGES, verbose=0)["colour"]
    # The answers of an untrained head are so extreme that they lose digits.
    np.testing.assert_allclose(after, at_temperature(before, temperature), atol=1e-3)


def test_other_heads_and_data_are_refused():
    backbone = residual_backbone()
    for head in (
        DenseHead(2),
        SigmoidHead(2),
        {"colour": SoftmaxHead(2), "shape": SoftmaxHead(3)},
    ):
        model = TransferModel(backbone.copy(), head)
        with pytest.raises(ValueError, match="with one `SoftmaxHead`"):
            calibrate(model, (IMAGES, np.zeros(96, int)))
    model, labels = over_confident()
    with pytest.raises(ValueError, match="Received: temperature=0"):
        apply_temperature(model, 0)
    with pytest.raises(ValueError, match="The data must have labels"):
        calibrate(model, tf.data.Dataset.from_tensor_slices(IMAGES).batch(32))
    with pytest.raises(ValueError, match="is empty"):
        calibrate(model, tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(32).take(0))
