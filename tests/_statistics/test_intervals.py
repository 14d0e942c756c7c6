import numpy as np
import pytest
from scipy import stats

from keras_transfer._statistics.intervals import (
    difference_interval,
    first_sufficient,
    gains_of_later,
    paired_interval,
    wilson_interval,
)


def test_share_s_interval_is_wilsons():
    # Wilson 1927: its ends are where (p - q)^2 = z^2 q (1 - q) / n
    for hits, size in [(0, 5), (3, 4), (50, 50), (7, 90)]:
        for end in wilson_interval(hits, size):
            square = stats.norm.ppf(0.975) ** 2 * end * (1 - end) / size
            np.testing.assert_allclose((hits / size - end) ** 2, square, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 8, 40])
def test_a_difference_is_at_most_one(size):
    assert paired_interval([1] * size)[1] == 1.0 and paired_interval([-1] * size)[0] == -1.0


@pytest.mark.parametrize(("gained", "lost"), [(0.02, 0.0), (0.1, 0.05), (0.3, 0.3)])
def test_interval_of_a_paired_difference_holds_it_about_as_often_as_it_says(gained, lost):
    random, number = np.random.default_rng(0), 300
    draws = random.choice([1, -1, 0], (2000, number), p=[gained, lost, 1 - gained - lost])
    intervals = np.array([paired_interval(gains) for gains in draws])
    held = (intervals[:, 0] <= gained - lost) & (gained - lost <= intervals[:, 1])
    assert 0.935 <= held.mean() <= 0.965


def test_no_difference_among_few_images_is_not_certain():
    low, high = paired_interval([0] * 20)
    # 1.96 * (1 / 22 / 22) ** 0.5
    assert high == -low == pytest.approx(1.95996 / 22, rel=1e-5)


def test_difference_on_other_images_has_the_interval_of_both():
    later, earlier = np.arange(40) < 30, np.arange(80) < 40
    low, high = difference_interval(later, earlier, are_paired=False)
    (least, most), (lowest, highest) = wilson_interval(30, 40), wilson_interval(40, 80)
    assert (low, high) == pytest.approx((least - highest, most - lowest))
    # Means over two trials: 30 hits on average.
    halves = np.where(np.arange(40) < 20, 1.0, 0.5)
    assert difference_interval(halves, earlier, False) == pytest.approx((low, high))


def test_the_first_row_that_later_ones_do_not_beat_is_sufficient():
    random = np.random.default_rng(0)
    worse = random.random(4000) < 0.5
    good = random.random(4000) < 0.9
    gains = gains_of_later([worse, good, good])
    assert gains[0][0] > 0.3 and gains[2] is None
    assert gains[1] == pytest.approx((0, 0), abs=1e-3)
    assert first_sufficient(gains) == 1
    # With few images a gain of more than three points cannot be excluded.
    assert first_sufficient(gains_of_later([good[:50], random.random(50) < 0.9])) == 1
    assert first_sufficient(gains_of_later([good])) == 0
