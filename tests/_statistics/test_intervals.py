import numpy as np
import pytest
from scipy import stats

from keras_transfer._statistics.intervals import paired_interval, wilson_interval


def test_share_s_interval_is_wilsons():
    # Wilson 1927: its ends are where (p - q)^2 = z^2 q (1 - q) / n
    for hits, size in [(0, 5), (3, 4), (50, 50), (7, 90)]:
        for end in wilson_interval(hits, size, level=0.9):
            square = stats.norm.ppf(0.95) ** 2 * end * (1 - end) / size
            np.testing.assert_allclose((hits / size - end) ** 2, square, atol=1e-12)


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (0, 0), (1, 2, 1.0)])
def test_what_is_no_share_is_refused(arguments):
    with pytest.raises(ValueError, match="Received: hits="):
        wilson_interval(*arguments)


@pytest.mark.parametrize(("gained", "lost"), [(0.02, 0.0), (0.1, 0.05), (0.3, 0.3)])
def test_interval_of_a_paired_difference_holds_it_about_as_often_as_it_says(gained, lost):
    random, number = np.random.default_rng(0), 300
    draws = random.choice([1, -1, 0], (2000, number), p=[gained, lost, 1 - gained - lost])
    intervals = np.array([paired_interval(gains) for gains in draws])
    held = (intervals[:, 0] <= gained - lost) & (gained - lost <= intervals[:, 1])
    assert 0.935 <= held.mean() <= 0.965


def test_no_difference_among_few_pictures_is_not_known_for_sure():
    low, high = paired_interval([0] * 20)
    # 1.96 * (1 / 22 / 22) ** 0.5
    assert high == -low == pytest.approx(1.95996 / 22, rel=1e-5)


@pytest.mark.parametrize("arguments", [([],), ([[1]],), ([1], 1.0)])
def test_what_is_no_row_of_gains_is_refused(arguments):
    with pytest.raises(ValueError, match="Received: gains of shape"):
        paired_interval(*arguments)
