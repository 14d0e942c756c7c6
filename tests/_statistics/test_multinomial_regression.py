import numpy as np
import pytest

from keras_transfer._statistics.multinomial_regression import (
    FeatureBasis,
    fit_regressions,
    probabilities_of,
)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def to_many_digits(monkeypatch):
    monkeypatch.setattr("keras_transfer._statistics.multinomial_regression._TOLERANCE", 3e-6)
    monkeypatch.setattr(
        "keras_transfer._statistics.multinomial_regression._MOST_ITERATIONS", 10_000
    )


def classes(random, num_pictures, num_features, num_classes, distance=1.0):
    """Gaussians with features that are correlated and of very different scales."""
    labels = np.arange(num_pictures) % num_classes
    centres = distance * random.normal(size=(num_classes, num_features))
    mixing = random.normal(size=(num_features, num_features)) / num_features**0.5
    rows = (centres[labels] + random.normal(size=(num_pictures, num_features))) @ mixing
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
@pytest.mark.usefixtures("to_many_digits")
def test_minima_are_those_of_another_library(num_features, random):
    features, labels = classes(random, 50, num_features, 3)
    basis = FeatureBasis(features)
    chosen = random.random((4, 50)) < 0.8
    penalties = [1e-3, 1e-2, 1e-1, 1.0]
    fitted = fit_regressions(basis, labels, chosen, penalties)
    for coefficients, rows, penalty in zip(fitted, chosen, penalties, strict=True):
        expected = scikit_learn(features, labels, rows, penalty)
        found = probabilities_of(basis, coefficients)
        np.testing.assert_allclose(found, expected, atol=3e-3)


def test_weights_count_as_repetitions_do(random):
    features, labels = classes(random, 40, 6, 3)
    repeats = random.integers(1, 4, 40)
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


def test_picture_without_weight_has_no_say(random):
    features, labels = classes(random, 40, 6, 2)
    weights = np.ones((1, 40))
    weights[0, 30:] = 0
    changed = labels.copy()
    changed[30:] = 1 - changed[30:]
    basis = FeatureBasis(features)
    np.testing.assert_array_equal(
        fit_regressions(basis, labels, weights, [0.1]),
        fit_regressions(basis, changed, weights, [0.1]),
    )


@pytest.mark.usefixtures("to_many_digits")
def test_several_at_once_are_those_one_by_one(monkeypatch, random):
    features, labels = classes(random, 60, 10, 3)
    basis, weights = FeatureBasis(features), random.random((3, 60)) < 0.7
    together = fit_regressions(basis, labels, weights, [0.01, 0.1, 1.0])
    monkeypatch.setattr("keras_transfer._statistics.multinomial_regression._MOST_AT_ONCE", 1)
    alone = fit_regressions(basis, labels, weights, [0.01, 0.1, 1.0])
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(
            probabilities_of(basis, one), probabilities_of(basis, other), atol=1e-3
        )


@pytest.mark.parametrize("num_features", [5, 60])
def test_dense_layer_on_the_features_says_the_same(num_features, random):
    features, labels = classes(random, 50, num_features, 3)
    basis = FeatureBasis(features)
    (coefficients,) = fit_regressions(basis, labels, np.ones((1, 50)), [0.1])
    kernel, bias = basis.kernel_and_bias(coefficients)
    scores = np.exp(features @ kernel + bias)
    np.testing.assert_allclose(
        scores / scores.sum(1, keepdims=True), probabilities_of(basis, coefficients), rtol=2e-3
    )


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0, 1e4 / 3])
def test_feature_that_never_changes_tells_nothing(constant, random):
    # In float32 the mean of 1000 times 0.1 is another number than 0.1.
    labels = random.integers(0, 2, 1000)
    features = random.normal(size=(1000, 5))
    beside = np.column_stack([features, np.full(1000, constant)])
    plain, more = FeatureBasis(features), FeatureBasis(beside)
    (expected,) = fit_regressions(plain, labels, np.ones((1, 1000)), [0.1])
    (found,) = fit_regressions(more, labels, np.ones((1, 1000)), [0.1])
    np.testing.assert_allclose(
        probabilities_of(more, found), probabilities_of(plain, expected), atol=1e-3
    )
    kernel, _ = more.kernel_and_bias(found)
    assert np.abs(kernel[-1]).max() < 1e-6


def test_without_any_feature_the_shares_of_the_classes_remain():
    labels = np.array([0, 0, 0, 1])
    basis = FeatureBasis(np.full((4, 3), 0.1))
    (coefficients,) = fit_regressions(basis, labels, np.ones((1, 4)), [0.1])
    expected = np.tile([0.75, 0.25], (4, 1))
    np.testing.assert_allclose(probabilities_of(basis, coefficients), expected, atol=1e-3)


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_uneven_weights_end_near_the_minimum(penalty, random):
    features, labels = classes(random, 1000, 20, 2, distance=0.3)
    labels[labels == 1] = random.random(500) < 0.02
    weights = np.where(labels == 1, 1000 / (2 * labels.sum()), 1.0)[None]
    basis = FeatureBasis(features)

    def loss(coefficients):
        found = probabilities_of(basis, coefficients)[np.arange(1000), labels]
        errors = -(weights @ np.log(found)) / weights.sum()
        return errors[0] + penalty / 2 * np.sum(coefficients[:-1] ** 2)

    (found,) = fit_regressions(basis, labels, weights, [penalty])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_transfer._statistics.multinomial_regression._TOLERANCE", 1e-6)
        patch.setattr(
            "keras_transfer._statistics.multinomial_regression._MOST_ITERATIONS", 20_000
        )
        (best,) = fit_regressions(basis, labels, weights, [penalty])
    assert loss(found) < 1.02 * loss(best) + 1e-4


def test_class_that_no_picture_has_is_not_expected(random):
    features, labels = classes(random, 50, 5, 3)
    labels[labels == 1] = 3
    basis = FeatureBasis(features)
    (coefficients,) = fit_regressions(basis, labels, np.ones((1, 50)), [0.1])
    assert probabilities_of(basis, coefficients)[:, 1].max() < 0.01
