import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import adaptation, models


def rows(logits, features=None):
    logits = tf.constant(logits, "float32")
    features = logits if features is None else tf.constant(features, "float32")
    return models.Rows(None, features, logits)


def batch(target, source=None):
    return models.Batch(source or target, target)


def test_class_confusion_of_certain_predictions_is_zero():
    certain = rows([[40.0, 0.0, 0.0], [0.0, 40.0, 0.0], [0.0, 0.0, 40.0]])
    assert float(adaptation.MinimumClassConfusion().loss(batch(certain))) < 1e-5


def test_class_confusion_of_uniform_predictions_is_that_of_chance():
    # Each row of the confusion is 1/3, 1/3, 1/3: (3 - 1) / 3.
    found = adaptation.MinimumClassConfusion().loss(batch(rows(np.zeros((5, 3)))))
    np.testing.assert_allclose(found, 2 / 3, rtol=1e-6)


def test_class_confusion_with_an_absent_class_is_finite_with_its_gradient():
    logits = tf.Variable([[500.0, -500.0, 0.0], [400.0, -500.0, -500.0]])
    with tf.GradientTape() as tape:
        found = adaptation.MinimumClassConfusion().loss(
            batch(models.Rows(None, logits, logits))
        )
    assert np.isfinite(found) and np.isfinite(tape.gradient(found, logits)).all()


def test_information_is_that_of_certain_and_balanced_predictions():
    certain = rows([[40.0, 0.0], [0.0, 40.0]])
    found = adaptation.InformationMaximization().loss(batch(certain))
    np.testing.assert_allclose(found, -np.log(2), rtol=1e-4)


@pytest.mark.parametrize(
    "objective",
    [adaptation.JointDiscrepancy(), adaptation.JointDiscrepancy(joint=False),
     adaptation.Correlation()],
)  # fmt: skip
def test_discrepancy_is_zero_for_the_same_rows_and_positive_for_others(objective):
    random = np.random.default_rng(0)
    here = rows(random.normal(size=(8, 4)))
    there = rows(random.normal(size=(8, 4)) * 3 + 2)
    np.testing.assert_allclose(objective.loss(batch(here, here)), 0, atol=1e-6)
    assert float(objective.loss(batch(there, here))) > 1e-3


def test_correlation_is_the_squared_difference_of_covariances():
    # Variances 2 and 0: (2 - 0)^2 / (4 * 1^2) = 1.
    here, there = rows([[-1.0], [1.0]]), rows([[3.0], [3.0]])
    np.testing.assert_allclose(adaptation.Correlation().loss(batch(there, here)), 1.0)


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), "warm"])
def test_temperature_is_checked(temperature):
    with pytest.raises(ValueError, match="`temperature` must be a positive number"):
        adaptation.MinimumClassConfusion(temperature=temperature)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "much"])
def test_weight_is_checked(weight):
    with pytest.raises(ValueError, match="`weight` must not be negative"):
        adaptation.InformationMaximization(weight)
