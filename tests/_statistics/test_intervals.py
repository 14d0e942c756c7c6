import numpy as np
import pytest
from scipy import stats

from keras_transfer._statistics.bootstrap import resampled, span
from keras_transfer._statistics.groups import effective_number
from keras_transfer._statistics.intervals import (
    difference_interval,
    first_sufficient,
    gains_of_later,
    paired_interval,
    share_interval,
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


def grouped(random, number, are_equal):
    """Groups of about 30 images."""
    sizes = np.full(number, 30) if are_equal else random.geometric(1 / 30, number)
    return np.repeat(np.arange(number), sizes)


def mean_interval(values, groups=None):
    weights = resampled(len(values), 300, groups=groups)
    return span(weights @ values / weights.sum(axis=1))


def shares(random, groups):
    """Hits of 80%: the accuracy of each group is beta-distributed."""
    return random.random(len(groups)) < random.beta(4, 1, groups[-1] + 1)[groups]


def gains(random, groups):
    """Whether only the first or only the second is right: as many, but not in each group."""
    signs = np.where(
        random.random(len(groups)) < random.beta(1, 1, groups[-1] + 1)[groups], 1, -1
    )
    return signs * (random.random(len(groups)) < 0.4)


@pytest.mark.parametrize(("number", "are_equal"), [(5, True), (20, True), (20, False)])
@pytest.mark.parametrize(
    ("draw", "interval", "truth"),
    [
        (shares, share_interval, 0.8),
        (gains, paired_interval, 0.0),
        (shares, mean_interval, 0.8),
    ],
)
def test_intervals_of_groups_hold_the_truth(draw, interval, truth, number, are_equal):
    random = np.random.default_rng(0)
    held = {"groups": 0, "images": 0}
    for _ in range(300):
        groups = grouped(random, number, are_equal)
        values = draw(random, groups)
        for kind, given in (("groups", groups.tolist()), ("images", None)):
            low, high = interval(values, given)
            held[kind] += low <= truth <= high
    assert held["groups"] / 300 >= 0.9 and held["images"] / 300 <= 0.8


def test_images_without_a_group_are_independent():
    hits = np.arange(50) < 40
    assert share_interval(hits) == wilson_interval(40, 50)
    assert share_interval(hits, [None] * 50) == share_interval(hits, range(50))
    assert share_interval(hits, [None] * 50) == wilson_interval(40, 50)


def test_groups_that_are_alike_count_once():
    # 4 groups of 5 whose images are alike are 4 images. Student's quantile for 3 degrees of
    # freedom is 3.18, not 1.96.
    few = 4 * (1.95996 / 3.18245) ** 2
    groups = np.arange(20) // 5
    assert effective_number(np.ones(20), groups) == pytest.approx(few, rel=1e-4)
    # By leaving out each group the variance is that of 3 images, 4 / 3 of that of 4.
    assert effective_number(groups < 2, groups) == pytest.approx(3 / 4 * few, rel=1e-4)
    # What differs within each group in the same way is known as well as by 20 images.
    assert effective_number(np.arange(20) % 5, groups) == pytest.approx(5 * few, rel=1e-4)


def test_one_group_tells_nothing_about_others():
    assert share_interval([True] * 9 + [False], ["a"] * 10) == pytest.approx((0, 1), abs=1e-5)
    assert mean_interval(np.arange(10.0), ["a"] * 10) is None


def test_each_image_needs_an_entry_for_its_group():
    with pytest.raises(ValueError, match=r"Received: 2 groups for 3 images"):
        share_interval([True] * 3, ["a", "b"])
