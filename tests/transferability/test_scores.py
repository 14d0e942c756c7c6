"""Transferability scores against their papers' closed forms."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from keras_transfer._statistics.feature_measures import h_score
from keras_transfer.transferability.scores import leep, logme, nce

RANDOM = np.random.default_rng(0)


def log_evidence(features, targets):
    """The highest log evidence per image, by direct search over alpha and beta."""
    size = len(targets)

    def negative(logs):
        alpha, beta = np.exp(logs)
        covariance = np.eye(size) / beta + features @ features.T / alpha
        return -multivariate_normal.logpdf(targets, np.zeros(size), covariance) / size

    return -minimize(negative, [0.0, 0.0], method="Nelder-Mead").fun


@pytest.mark.parametrize("num_features", [5, 50], ids=["fewer than images", "more"])
def test_logme_is_the_maximum_of_the_evidence(num_features):
    features = RANDOM.normal(size=(40, num_features)).astype("float32")
    labels = (features[:, 0] + 0.5 * RANDOM.normal(size=40) > 0).astype(int)
    expected = np.mean([log_evidence(features, labels == number) for number in (0, 1)])
    assert logme(features, labels) == pytest.approx(expected, abs=1e-3)


def test_logme_is_higher_for_features_that_tell_classes_apart():
    labels = np.arange(200) % 4
    means = RANDOM.normal(size=(4, 20))
    features = means[labels] + 0.5 * RANDOM.normal(size=(200, 20))
    assert logme(features, labels) > logme(features, RANDOM.permutation(labels)) + 0.1


def test_features_without_any_variance_say_nothing():
    labels = np.arange(40) % 2
    assert logme(np.zeros((40, 5)), labels) == pytest.approx(
        # No feature, and half of the targets' squares unexplained: beta = 2.
        -0.5 * (np.log(2 * np.pi) - np.log(2) + 1)
    )


def test_features_that_never_vary_are_allowed():
    features = np.column_stack([RANDOM.normal(size=(60, 3)), np.zeros((60, 2))])
    labels = np.arange(60) % 2
    assert np.isfinite(logme(features, labels))
    assert np.isfinite(h_score(features, labels))


LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 1])


def test_source_classes_that_are_the_labels_lose_nothing():
    assert leep(np.eye(2)[LABELS], LABELS) == pytest.approx(0)
    assert nce(np.eye(2)[LABELS], LABELS) == pytest.approx(0)


def test_source_classes_that_say_nothing_leave_the_entropy_of_the_labels():
    entropy = -(3 / 8 * np.log(3 / 8) + 5 / 8 * np.log(5 / 8))
    uniform = np.full((8, 4), 0.25)
    assert leep(uniform, LABELS) == pytest.approx(-entropy)
    assert nce(uniform, LABELS) == pytest.approx(-entropy)


def test_nce_is_the_conditional_entropy_of_the_labels():
    source = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    # Class 0 of the source holds two images of label 0; class 1 holds one and five.
    expected = 6 / 8 * (1 / 6 * np.log(1 / 6) + 5 / 6 * np.log(5 / 6))
    assert nce(np.eye(2)[source], LABELS) == pytest.approx(expected)


def test_leep_by_hand():
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6]])
    # P(y, z) = [[0.4, 0.1], [0.2, 0.3]]; P(y = 0 | z) = (2/3, 1/4), P(y = 1 | z) = (1/3, 3/4).
    first, second = 0.8 * 2 / 3 + 0.2 / 4, 0.4 / 3 + 0.6 * 3 / 4
    expected = (np.log(first) + np.log(second)) / 2
    assert leep(probabilities, np.array([0, 1])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.ones((3, 2)), np.arange(3), r"sums to 1.*shape \(3, 2\)"),
        (np.eye(3)[0], np.zeros(3, int), r"must be a matrix.*shape \(3,\)"),
        (np.eye(3), np.zeros(2, int), r"for each image.*shape \(2,\)"),
        (np.eye(3), np.zeros(3), "type float64"),
    ],
)
def test_wrong_probabilities_are_refused(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        leep(probabilities, labels)
