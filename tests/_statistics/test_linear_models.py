import numpy as np
import pytest
from scipy.special import softmax

from keras_transfer._statistics.linear_models import (
    best_penalty,
    cross_validate,
    fit_regressions,
    standardized,
    stratified_folds,
)

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


def test_changed_images_are_predicted_by_the_probe_of_their_fold():
    features, labels = gaussians(4.0)
    same = cross_validate(features, labels, changed=features)
    assert same.changed_accuracy == same.accuracy
    mirrored = features * np.where(np.arange(10) == 0, -1, 1)
    assert cross_validate(features, labels, changed=mirrored).changed_accuracy < 0.1
    assert cross_validate(features, labels).changed_accuracy is None
    # The first images alone: what the change does to these.
    assert cross_validate(features, labels, changed=features[:60]).changed_accuracy == (
        pytest.approx(same.accuracy)
    )
    assert cross_validate(features, labels, changed=mirrored[:60]).changed_accuracy < 0.15


def test_probe_does_not_overfit_noise():
    features, labels = gaussians(0.0, num_features=400)
    probe = cross_validate(features, labels)
    assert probe.interval[0] < 0.5 < probe.interval[1]


def test_a_group_is_in_one_fold():
    # The features say which of 20 groups it is, and each group has a label by chance.
    groups = np.repeat(np.arange(20), 10)
    features, labels = np.eye(20)[groups] + RANDOM.normal(0, 0.1, (200, 20)), groups % 2
    assert cross_validate(features, labels).accuracy > 0.95
    assert cross_validate(features, labels, groups=groups.tolist()).accuracy < 0.6
    folds = stratified_folds(labels, 5, seed=0, groups=groups.tolist())
    assert len(folds) == 5
    for train, validation in folds:
        assert not set(groups[train]) & set(groups[validation])


def test_images_without_a_group_are_divided():
    labels = np.arange(40) % 2
    folds = stratified_folds(labels, 4, seed=0, groups=["one"] * 10 + [None] * 30)
    assert min(len(validation) for _, validation in folds) > 5


def test_too_few_groups():
    features, labels = gaussians(2.0)
    assert len(stratified_folds(labels, 5, groups=["a"] * 100 + ["b"] * 100)) == 2
    with pytest.raises(ValueError, match="needs two groups"):
        cross_validate(features, labels, groups=["a"] * 200)


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
def test_class_of_one_image_is_allowed():
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
    # No more than the largest class has images.
    assert len(stratified_folds(np.array([0, 0, 0, 1]), 5)) == 3
    assert stratified_folds(np.arange(4), 5) == []


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.ones(3), np.arange(3), r"must be a matrix.*shape \(3,\)"),
        (np.full((3, 2), np.nan), np.arange(3), "finite"),
        (np.ones((3, 2)), np.arange(4), r"shape \(4,\)"),
        (np.ones((3, 2)), np.ones(3), "type float64"),
        (np.ones((3, 2)), np.array([-1, 0, 1]), "one class index for each image"),
        (np.ones((3, 2)), np.zeros(3, int), "at least two classes.*Received: 1"),
        (np.ones((3, 2)), np.arange(3), "a class with at least two images"),
    ],
)
def test_invalid_data_is_refused(features, labels, message):
    with pytest.raises(ValueError, match=message):
        cross_validate(features, labels)


def test_an_accuracy_of_1_is_not_certain():
    probe = cross_validate(*gaussians(50.0, per_class=15, num_features=1))
    assert probe.accuracy == 1.0
    assert probe.interval[0] < 0.95


@pytest.mark.parametrize("labels", [[0] * 9 + [1], [0, 0, 1, 1, 2, 2], [0, 0, 1]])
def test_very_few_images_are_allowed(labels):
    labels = np.array(labels)
    probe = cross_validate(RANDOM.normal(size=(len(labels), 4)), labels)
    assert probe.probabilities.shape == (len(labels), labels.max() + 1)


def test_classes_without_images_are_never_predicted():
    features, labels = gaussians(2.0)
    near, far = (cross_validate(features, labels * top) for top in (1, 5000))
    assert far.probabilities.shape == (200, 5001)
    np.testing.assert_array_equal(far.probabilities[:, [0, 5000]], near.probabilities)
    assert not far.probabilities[:, 1:5000].any()
    assert far.accuracy == near.accuracy


def classes(num_images, num_features, num_classes):
    """Gaussians with correlated features of very different scales."""
    random = np.random.default_rng(0)
    labels = np.arange(num_images) % num_classes
    centres = random.normal(size=(num_classes, num_features))
    mixing = random.normal(size=(num_features, num_features)) / num_features**0.5
    rows = (centres[labels] + random.normal(size=(num_images, num_features))) @ mixing
    return standardized(rows * np.geomspace(1e-2, 1e2, num_features) + 5)[0], labels


@pytest.mark.parametrize("num_features", [5, 60])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_gradient_of_the_penalized_loss_is_zero(num_features, num_classes):
    rows, labels = classes(50, num_features, num_classes)
    weights = np.random.default_rng(1).uniform(size=(3, 50)) * (np.arange(50) < 45)
    penalties = [1.0, 1e-1, 1e-2]
    for row, path in zip(
        weights, fit_regressions(rows, labels, weights, penalties), strict=True
    ):
        for penalty, (kernel, bias) in zip(penalties, path, strict=True):
            errors = softmax(rows @ kernel + bias, axis=1) - np.eye(num_classes)[labels]
            errors *= row[:, np.newaxis] / row.sum()
            np.testing.assert_allclose(rows.T @ errors + penalty * kernel, 0, atol=2e-4)
            np.testing.assert_allclose(errors.sum(axis=0), 0, atol=2e-4)


def test_image_without_weight_has_no_effect():
    rows, labels = classes(40, 6, 2)
    weights = (np.arange(40) < 30).astype(float)[np.newaxis]
    changed = np.where(np.arange(40) < 30, labels, 1 - labels)
    (((kernel, bias),),) = fit_regressions(rows, labels, weights, [0.1])
    (((other, constant),),) = fit_regressions(rows, changed, weights, [0.1])
    np.testing.assert_array_equal(kernel, other)
    np.testing.assert_array_equal(bias, constant)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0, 1e4 / 3])
def test_constant_feature_has_no_effect(constant):
    # In float32 the mean of 1000 times 0.1 is another number than 0.1.
    features = np.random.default_rng(0).normal(size=(1000, 5)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 2, 1000)
    wider = np.column_stack([features, np.full(1000, constant, "float32")])
    weights = np.ones((1, 1000))
    (((kernel, bias),),) = fit_regressions(standardized(features)[0], labels, weights, [0.1])
    rows, _, deviation = standardized(wider)
    (((other, constant),),) = fit_regressions(rows, labels, weights, [0.1])
    np.testing.assert_allclose(other[:-1], kernel, atol=1e-3)
    np.testing.assert_allclose(constant, bias, atol=1e-3)
    assert np.abs(other[-1] / deviation[-1]).max() < 1e-6


def test_features_that_vary_by_rounding_alone_count_as_constant():
    features = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    features[:, 1] *= 1e-33
    features[:, 2] = 1000 + 1e-5 * features[:, 2]
    rows, _, deviation = standardized(features)
    assert deviation[1:].tolist() == [1.0, 1.0]
    assert np.abs(rows[:, 1:]).max() < 1e-3 and rows[:, 0].std() == pytest.approx(1, rel=1e-3)


def test_without_any_feature_the_shares_of_the_classes_remain():
    labels = np.array([0, 0, 0, 1])
    rows = standardized(np.full((4, 3), 0.1, "float32"))[0]
    (((kernel, bias),),) = fit_regressions(rows, labels, np.ones((1, 4)), [0.1])
    np.testing.assert_allclose(
        softmax(rows @ kernel + bias, axis=1), np.tile([0.75, 0.25], (4, 1)), atol=1e-3
    )


def test_penalty_is_that_of_the_highest_validation_accuracy():
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2
    rows = standardized(random.normal(size=(200, 150)) + 0.15 * labels[:, np.newaxis])[0]
    folds = stratified_folds(labels, 5, seed=0)
    weights = np.array([np.isin(np.arange(200), train) for train, _ in folds], float)
    penalties = [10.0, 1.0, 1e-3]
    accuracies = np.mean(
        [
            [
                np.mean((rows[chosen] @ kernel + bias).argmax(axis=1) == labels[chosen])
                for kernel, bias in path
            ]
            for (_, chosen), path in zip(
                folds, fit_regressions(rows, labels, weights, penalties), strict=True
            )
        ],
        axis=0,
    )
    assert accuracies[0] > accuracies[2]
    assert best_penalty(rows, labels, penalties, folds) == penalties[accuracies.argmax()]


def test_of_equally_good_penalties_the_largest_is_chosen():
    features, labels = gaussians(50.0)
    rows = standardized(features)[0]
    folds = stratified_folds(labels, 5)
    assert best_penalty(rows, labels, [1e-3, 1e-1, 1e-2], folds) == 1e-1
    assert best_penalty(rows, labels, [1e-3, 1e-2], []) == 1e-2
