import numpy as np
import pytest

from keras_transfer.multinomial_regression import (
    FeatureBasis,
    fit_regressions,
    probabilities_of,
)

RANDOM = np.random.default_rng(0)


def classes(num_pictures, num_features, num_classes, distance=1.0):
    """Gaussians with features that are correlated and of very different scales."""
    labels = np.arange(num_pictures) % num_classes
    centres = distance * RANDOM.normal(size=(num_classes, num_features))
    mixing = RANDOM.normal(size=(num_features, num_features)) / num_features**0.5
    rows = (centres[labels] + RANDOM.normal(size=(num_pictures, num_features))) @ mixing
    return rows * np.geomspace(1e-2, 1e2, num_features) + 5, labels


def scikit_learn(features, labels, chosen, penalty):
    """The same minimum by another library's solver, to many digits."""
    from sklearn.linear_model import LogisticRegression

    scaled = (features - features.mean(0)) / features.std(0)
    regression = LogisticRegression(
        C=1 / (penalty * chosen.sum()), solver="newton-cg", tol=1e-10, max_iter=10_000
    )
    return regression.fit(scaled[chosen], labels[chosen]).predict_proba(scaled)


@pytest.mark.parametrize("num_features", [5, 60])
def test_minima_are_those_of_another_library(num_features, monkeypatch):
    monkeypatch.setattr("keras_transfer.multinomial_regression._TOLERANCE", 3e-6)
    monkeypatch.setattr("keras_transfer.multinomial_regression._MOST_ITERATIONS", 10_000)
    features, labels = classes(50, num_features, 3)
    basis = FeatureBasis(features)
    chosen = RANDOM.random((4, 50)) < 0.8
    penalties = [1e-3, 1e-2, 1e-1, 1.0]
    fitted = fit_regressions(basis, labels, chosen, penalties)
    for coefficients, rows, penalty in zip(fitted, chosen, penalties, strict=True):
        expected = scikit_learn(features, labels, rows, penalty)
        found = probabilities_of(basis, coefficients)
        np.testing.assert_allclose(found, expected, atol=3e-3)


def test_weights_count_as_repetitions_do():
    features, labels = classes(40, 6, 3)
    repeats = RANDOM.integers(1, 4, 40)
    basis = FeatureBasis(features)
    (weighted,) = fit_regressions(basis, labels, repeats[None], [0.1])
    (scaled,) = fit_regressions(basis, labels, 7.0 * repeats[None], [0.1])
    rows = (features - features.mean(0)) / features.std(0)
    from sklearn.linear_model import LogisticRegression

    other = LogisticRegression(C=1 / (0.1 * repeats.sum()), solver="newton-cg", tol=1e-10)
    other.fit(rows.repeat(repeats, axis=0), labels.repeat(repeats))
    found = probabilities_of(basis, weighted)
    np.testing.assert_allclose(found, other.predict_proba(rows), atol=0.01)
    np.testing.assert_allclose(found, probabilities_of(basis, scaled), atol=3e-3)


def test_picture_without_weight_has_no_say():
    features, labels = classes(40, 6, 2)
    weights = np.ones((1, 40))
    weights[0, 30:] = 0
    changed = labels.copy()
    changed[30:] = 1 - changed[30:]
    basis = FeatureBasis(features)
    np.testing.assert_array_equal(
        fit_regressions(basis, labels, weights, [0.1]),
        fit_regressions(basis, changed, weights, [0.1]),
    )


def test_several_at_once_are_those_one_by_one(monkeypatch):
    features, labels = classes(60, 10, 3)
    basis, weights = FeatureBasis(features), RANDOM.random((3, 60)) < 0.7
    together = fit_regressions(basis, labels, weights, [0.1] * 3)
    monkeypatch.setattr("keras_transfer.multinomial_regression._MOST_AT_ONCE", 1)
    np.testing.assert_allclose(
        together, fit_regressions(basis, labels, weights, [0.1] * 3), atol=2e-3
    )


@pytest.mark.parametrize("num_features", [5, 60])
def test_dense_layer_on_the_features_says_the_same(num_features):
    features, labels = classes(50, num_features, 3)
    basis = FeatureBasis(features)
    (coefficients,) = fit_regressions(basis, labels, np.ones((1, 50)), [0.1])
    kernel, bias = basis.kernel_and_bias(coefficients)
    scores = np.exp(features @ kernel + bias)
    np.testing.assert_allclose(
        scores / scores.sum(1, keepdims=True), probabilities_of(basis, coefficients), rtol=2e-3
    )


def test_features_that_never_change_tell_nothing():
    labels = np.array([0, 0, 0, 1])
    basis = FeatureBasis(np.ones((4, 3)))
    (coefficients,) = fit_regressions(basis, labels, np.ones((1, 4)), [0.1])
    expected = np.tile([0.75, 0.25], (4, 1))
    np.testing.assert_allclose(probabilities_of(basis, coefficients), expected, atol=3e-3)


def test_class_that_no_picture_has_is_not_expected():
    features, labels = classes(50, 5, 3)
    labels[labels == 1] = 3
    basis = FeatureBasis(features)
    (coefficients,) = fit_regressions(basis, labels, np.ones((1, 50)), [0.1])
    assert probabilities_of(basis, coefficients)[:, 1].max() < 0.01
