import numpy as np
import pytest

from keras_transfer._statistics.feature_measures import h_score, linear_cka

RANDOM = np.random.default_rng(0)


def test_h_score_of_two_gaussians_is_the_variance_between_over_the_whole():
    # Means at -2 and 2 along one axis, unit variance: B = 4 there, S = 5, tr(S^-1 B) = 0.8.
    labels = np.arange(20_000) % 2
    features = RANDOM.normal(size=(20_000, 3))
    features[:, 0] += 4 * labels - 2
    assert h_score(features, labels) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("scale", [1e-12, 1e6])
def test_h_score_does_not_depend_on_the_scale(scale):
    labels = np.arange(60) % 3
    features = RANDOM.normal(size=(60, 8)) + 2 * np.eye(3, 8)[labels]
    expected = h_score(features, labels)
    assert h_score(scale * features, labels) == pytest.approx(expected, rel=1e-4)


def test_shrinkage_keeps_h_score_honest_with_few_images():
    # 40 images in 200 directions can be separated by chance.
    labels, noise = np.arange(40) % 2, RANDOM.normal(size=(40, 200))
    assert h_score(noise, labels) < 0.3


def test_cka_does_not_see_rotation_and_scale():
    features = RANDOM.normal(size=(60, 20))
    rotation = np.linalg.qr(RANDOM.normal(size=(20, 20)))[0]
    assert linear_cka(features, 1e9 * features @ rotation + 3) == pytest.approx(1)
    stretched = features * np.geomspace(1, 100, 20)
    assert linear_cka(features, stretched) < 0.9


@pytest.mark.parametrize("num_features", [4, 100], ids=["features", "images"])
def test_cka_by_its_definition(num_features):
    first, second = RANDOM.normal(size=(2, 30, num_features))
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    k, l = first @ first.T, second @ second.T  # noqa: E741  the paper's names
    expected = np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l))
    assert linear_cka(first, second) == pytest.approx(expected)


def test_cka_of_a_constant_is_zero():
    assert linear_cka(np.ones((5, 2)), RANDOM.normal(size=(5, 2))) == 0
