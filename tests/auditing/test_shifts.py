import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from keras_transfer.auditing import domain_shift
from keras_transfer.auditing.shifts import (
    areas_under_curve,
    classifier_aucs,
    labelings,
    permutation_p_value,
    squared_discrepancies,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_areas_are_those_of_scikit_learn():
    scores = normal(0, 40, 3).round(1)  # with ties
    labels = normal(1, 40, 3) > 0.5
    expected = [roc_auc_score(labels[:, k], scores[:, k]) for k in range(3)]
    np.testing.assert_allclose(areas_under_curve(scores, labels), expected)


def test_discrepancy_is_the_mean_of_kernels_over_pairs():
    rows, labels = normal(0, 9, 2), (np.arange(9) < 4)[:, np.newaxis]
    distances = {pair: np.sum((rows[pair[0]] - rows[pair[1]]) ** 2)
                 for pair in itertools.permutations(range(9), 2)}  # fmt: skip
    width = np.median(list(distances.values()))

    def mean(first, second):
        kernels = [
            np.exp(-distances[i, j] / (2 * width)) for i in first for j in second if i != j
        ]
        return np.mean(kernels)

    one, other = range(4), range(4, 9)
    expected = mean(one, one) + mean(other, other) - 2 * mean(one, other)
    np.testing.assert_allclose(squared_discrepancies(rows, labels), expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(40, 6), (40, 90)])
@pytest.mark.parametrize("statistic", [classifier_aucs, squared_discrepancies])
def test_many_labelings_are_as_one_by_one(statistic, shape):
    rows = normal(0, *shape)
    labels = labelings(np.arange(40) < 15, 3, np.random.default_rng(0))
    assert labels[:15, 0].all() and not labels[15:, 0].any()
    assert set(labels.sum(axis=0)) == {15}
    single = [statistic(rows, labels[:, k : k + 1])[0] for k in range(4)]
    np.testing.assert_allclose(statistic(rows, labels), single, rtol=1e-4, atol=1e-6)


def test_the_true_labeling_counts_among_the_permutations():
    assert permutation_p_value([3.0, 1.0, 2.0, 3.0]) == 0.5  # itself and the last one, of 4
    assert permutation_p_value([9.0, 1.0, 2.0, 3.0]) == 0.25  # never 0


def test_equal_sources_alarm_no_more_often_than_the_level():
    alarms = sum(
        domain_shift(
            normal(seed, 30, 4), normal(1000 + seed, 24, 4), level=0.2, num_permutations=49
        ).alarm
        for seed in range(100)
    )
    # The most that a rate of 20% gives in all but one of a thousand such counts.
    assert alarms <= stats.binom.ppf(0.999, 100, 0.2)


def move(rows):
    return rows + 1.0


def spread(rows):
    return 2.5 * rows


@pytest.mark.parametrize("change", [move, spread])
def test_a_shift_is_found(change):
    shift = domain_shift(normal(0, 80, 5), change(normal(1, 80, 5)), num_permutations=199)
    assert shift.alarm
    assert shift.discrepancy_p_value == pytest.approx(1 / 200)
    assert "differ significantly" in shift.conclusion
    assert shift.to_json()["alarm"] is True


def test_a_move_is_seen_by_the_classifier_and_a_spread_is_not():
    moved, spreading = (
        domain_shift(normal(0, 80, 5), change(normal(1, 80, 5)), num_permutations=199)
        for change in (move, spread)
    )
    assert moved.auc > 0.9 > 0.7 > spreading.auc


def test_of_many_images_a_sample_is_drawn_and_the_conclusion_says_so():
    first, second = normal(0, 90, 3), normal(1, 40, 3)
    one, other, again = (
        domain_shift(first, second, max_images=50, num_permutations=99, seed=seed)
        for seed in (0, 1, 0)
    )
    assert (one.sizes, one.given) == ((50, 40), (90, 40))
    assert "50 and 40 images, of 90 and 40" in one.conclusion
    assert one == again != other
    assert "of 90" not in domain_shift(first, second).conclusion


def test_constant_features_tell_nothing():
    shift = domain_shift(np.ones((20, 3)), np.ones((20, 3)))
    assert not shift.alarm
    first, second = normal(0, 20, 3), normal(1, 20, 3)
    wider = [np.column_stack([rows, np.full(20, 7.0)]) for rows in (first, second)]
    assert domain_shift(*wider).auc == domain_shift(first, second).auc


REFUSED = {
    "other features": ({"features_b": np.zeros((20, 4))}, r"shapes \(20, 3\) and \(20, 4\)"),
    "no matrix": ({"features_b": np.zeros(20)}, r"shapes \(20, 3\) and \(20,\)"),
    "few": ({"features_b": np.zeros((9, 3))}, "20 and 9 images"),
    "not finite": ({"features_b": np.full((20, 3), np.nan)}, "finite features"),
    "level": ({"level": 1.0}, "level=1.0"),
    "permutations": ({"num_permutations": 38}, "num_permutations=38"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_tested_is_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        domain_shift(
            **{"features_a": normal(0, 20, 3), "features_b": normal(1, 20, 3)} | arguments
        )
