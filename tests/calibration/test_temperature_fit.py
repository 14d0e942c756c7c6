import numpy as np
import pytest

from keras_transfer.calibration import expected_calibration_error, fit_temperature
from keras_transfer.calibration.temperature_fit import at_temperature
from tests.calibration.made_up_answers import draw_logits, softmax


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_temperature_is_by_how_much_logits_are_too_large(scale):
    probabilities, labels = draw_logits(np.random.default_rng(0), 20_000, scale)
    assert fit_temperature(probabilities, labels) == pytest.approx(scale, rel=0.05)


def test_nothing_beside_it_is_likelier():
    probabilities, labels = draw_logits(np.random.default_rng(1), 500, 2.0)
    found = fit_temperature(probabilities, labels)

    def loss(temperature):
        scaled = at_temperature(probabilities, temperature)
        return -np.log(scaled[np.arange(500), labels]).mean()

    assert loss(found) < min(loss(0.99 * found), loss(1.01 * found))


def test_probabilities_at_a_temperature_are_those_of_divided_logits():
    logits = np.random.default_rng(2).normal(size=(5, 3))
    np.testing.assert_allclose(at_temperature(softmax(logits), 2.5), softmax(logits / 2.5))


def test_held_out_error_of_an_over_confident_model_falls():
    probabilities, labels = draw_logits(np.random.default_rng(3), 4000, 3.0)
    temperature = fit_temperature(probabilities[:1000], labels[:1000])
    held_out, truth = probabilities[1000:], labels[1000:]
    scaled = at_temperature(held_out, temperature)
    before, after = (expected_calibration_error(p, truth) for p in (held_out, scaled))
    assert after < before / 2
    np.testing.assert_array_equal(scaled.argmax(axis=1), held_out.argmax(axis=1))


def test_perfect_and_hopeless_predictions_have_a_bounded_temperature():
    rows = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert fit_temperature(rows, np.array([0, 1])) == 0.1
    assert fit_temperature(rows, np.array([1, 0])) == 10.0
    certain = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])  # their logarithms are infinite
    assert 0.1 <= fit_temperature(certain, np.array([0, 1, 1])) <= 10
