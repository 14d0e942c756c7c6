import numpy as np
import pytest

from keras_transfer._statistics.folds import stratified_folds
from keras_transfer._statistics.linear_probe import cross_validate

RANDOM = np.random.default_rng(0)


def gaussians(distance, per_class=100, num_features=10):
    labels = np.arange(2 * per_class) % 2
    features = RANDOM.normal(size=(2 * per_class, num_features))
    features[:, 0] += distance * (labels - 0.5)
    return features, labels


def test_probe_finds_what_is_there():
    # Two Gaussians at a distance of 2: the best classifier is right in 84.1% of the cases.
    probe = cross_validate(*gaussians(2.0, per_class=1000))
    assert probe.accuracy == pytest.approx(0.841, abs=0.03)
    assert probe.interval[0] < probe.accuracy < probe.interval[1]
    assert probe.correct.mean() == probe.accuracy


def test_probe_does_not_learn_noise_by_heart():
    features, labels = gaussians(0.0, num_features=400)
    probe = cross_validate(features, labels)
    assert probe.interval[0] < 0.5 < probe.interval[1]


def test_scale_of_a_feature_does_not_matter():
    features, labels = gaussians(2.0)
    scaled = features * np.geomspace(1e-3, 1e3, 10)
    np.testing.assert_allclose(
        cross_validate(features, labels).probabilities,
        cross_validate(scaled, labels).probabilities,
        atol=0.02,
    )


def test_rows_are_probabilities_and_the_same_again_for_a_seed():
    features, labels = gaussians(1.0)
    first, second = (cross_validate(features, labels, seed=3).probabilities for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_class_of_one_picture_is_no_obstacle():
    features, labels = gaussians(3.0)
    labels[0] = 2
    probe = cross_validate(features, labels)
    assert not probe.correct[0]
    assert probe.probabilities.shape == (200, 3)


def test_a_small_class_leaves_the_others_all_their_folds():
    labels = np.append(np.repeat(np.arange(4), 10), 4)
    folds = stratified_folds(labels, 5, seed=0)
    assert [len(held_out) for _, held_out in folds] in ([9, 8, 8, 8, 8], [8, 8, 8, 8, 9])
    for train, held_out in folds:
        assert np.bincount(labels[held_out])[:4].tolist() == [2, 2, 2, 2]
        assert sorted([*train, *held_out]) == list(range(41))
    # No more than the largest class has pictures.
    assert len(stratified_folds(np.array([0, 0, 0, 1]), 5)) == 3


@pytest.mark.parametrize(
    ("features", "labels", "told"),
    [
        (np.ones(3), np.arange(3), r"must be a matrix.*shape \(3,\)"),
        (np.full((3, 2), np.nan), np.arange(3), "finite"),
        (np.ones((3, 2)), np.arange(4), r"shape \(4,\)"),
        (np.ones((3, 2)), np.ones(3), "type float64"),
        (np.ones((3, 2)), np.array([-1, 0, 1]), "number of a class"),
        (np.ones((3, 2)), np.zeros(3, int), "at least two classes.*Received: 1"),
        (np.ones((3, 2)), np.arange(3), "Every class has one picture"),
    ],
)
def test_wrong_data_are_refused(features, labels, told):
    with pytest.raises(ValueError, match=told):
        cross_validate(features, labels)


def test_all_right_is_no_certainty():
    probe = cross_validate(*gaussians(50.0, per_class=15, num_features=1))
    assert probe.accuracy == 1.0
    assert probe.interval[0] < 0.95


@pytest.mark.parametrize("labels", [[0] * 9 + [1], [0, 0, 1, 1, 2, 2], [0, 0, 1]])
def test_very_few_pictures_are_no_obstacle(labels):
    labels = np.array(labels)
    probe = cross_validate(RANDOM.normal(size=(len(labels), 4)), labels)
    assert probe.probabilities.shape == (len(labels), labels.max() + 1)


def test_numbers_of_classes_that_no_picture_has_are_never_expected():
    features, labels = gaussians(2.0)
    near, far = (cross_validate(features, labels * top) for top in (1, 5000))
    assert far.probabilities.shape == (200, 5001)
    np.testing.assert_array_equal(far.probabilities[:, [0, 5000]], near.probabilities)
    assert not far.probabilities[:, 1:5000].any()
    assert far.accuracy == near.accuracy
