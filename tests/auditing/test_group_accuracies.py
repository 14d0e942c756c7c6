import numpy as np
import pytest
from scipy import stats

from keras_transfer.auditing import group_accuracy


def test_interval_is_wilsons():
    correct = np.arange(20) < 15
    (group,) = group_accuracy(correct, ["a"] * 20)
    # Wilson 1927: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    z, n, p = stats.norm.ppf(0.975), 20, 0.75
    middle, scale = p + z**2 / (2 * n), 1 + z**2 / n
    reach = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(
        group.interval, [(middle - reach) / scale, (middle + reach) / scale]
    )
    assert (group.accuracy, group.p_value, group.below) == (0.75, 1.0, False)


def test_a_group_below_the_rest_is_found():
    groups = np.repeat(["north", "south", "west"], 40)
    correct = np.ones(120, bool)
    correct[40:60] = False  # half of the south
    correct[[0, 90]] = False
    found = group_accuracy(correct, groups)
    assert [group.group for group in found] == ["south", "north", "west"]
    assert [group.below for group in found] == [True, False, False]
    # 3 groups, 20 of 40 right beside 78 of 80
    expected = 3 * stats.fisher_exact([[20, 20], [78, 2]], alternative="less").pvalue
    assert found[0].p_value == pytest.approx(expected)
    assert found[0].to_json()["accuracy"] == 0.5


def test_chance_alarms_no_more_often_than_the_level():
    random = np.random.default_rng(0)
    alarms = sum(
        any(group.below for group in group_accuracy(random.random(90) < 0.7, np.arange(90) % 9))
        for _ in range(200)
    )
    assert alarms <= stats.binom.ppf(0.999, 200, 0.05)


def test_pictures_without_a_group_stay_out():
    found = group_accuracy([True, False, True], ["a", None, "b"])
    assert [(group.group, group.num_pictures) for group in found] == [("a", 1), ("b", 1)]
    assert group_accuracy([True], [None]) == ()


def test_groups_belong_to_answers():
    with pytest.raises(ValueError, match=r"Received: 2 for shape \(3,\)"):
        group_accuracy([True, False, True], ["a", "b"])
