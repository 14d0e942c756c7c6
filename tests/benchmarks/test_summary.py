import pytest

from benchmarks import summary


def rows(*values, value="seconds", seed=0):
    return [
        {"seed": seed, "round": number, "values": {value: each}}
        for number, each in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("values", "median", "quartiles"),
    [
        ([3.0], 3.0, None),
        ([1.0, 2.0, 9.0], 2.0, None),
        # Positions 0.75 and 2.25 of 1, 2, 3, 4 counted from 0.
        ([4.0, 1.0, 3.0, 2.0], 2.5, (1.75, 3.25)),
    ],
)
def test_spread_is_the_median_and_from_four_on_the_quartiles(values, median, quartiles):
    assert summary.spread(values) == summary.Spread(median, len(values), quartiles)


def test_spread_of_nothing_is_none():
    assert summary.spread([]) is None


def test_ratios_are_taken_within_a_round():
    # 2 / 1 and 30 / 10; across the rounds it would be 2 / 10.
    assert summary.ratios(rows(2.0, 30.0), rows(1.0, 10.0), "seconds") == [2.0, 3.0]


def test_a_round_that_only_one_side_has_is_left_out():
    assert summary.ratios(rows(2.0, 30.0), rows(1.0), "seconds") == [2.0]


def test_rows_of_another_seed_are_not_compared():
    assert summary.differences(rows(2.0), rows(1.0, seed=1), "seconds") == []


def test_rows_without_the_value_are_passed_over():
    found = [*rows(1.0), {"seed": 0, "round": 1, "skipped": "no engine"}]
    assert summary.values_of(found, "seconds") == [1.0]
    assert summary.values_of(found, "rate") == []
    assert summary.ratios(found, rows(2.0, 2.0), "seconds") == [0.5]


def hits(text, number=0):
    return {"seed": 0, "round": number, "validation_hits": text}


def test_difference_of_hits_has_the_interval_of_the_same_pictures():
    # Two of four gained, none lost. With half a gain and half a loss in two pictures more, the
    # mean is 2/6, the mean square 3/6.
    difference, low, high = summary.hits_apart([hits("1110")], [hits("1000")])
    assert difference == 0.5
    half = 1.96 * ((3 / 6 - 1 / 9) / 6) ** 0.5
    assert (low, high) == pytest.approx((1 / 3 - half, 1 / 3 + half), rel=1e-3)


def test_difference_of_equal_hits_is_not_known_for_sure():
    difference, low, high = summary.hits_apart([hits("1100")], [hits("1100")])
    assert difference == 0
    assert high == -low > 0


def test_rounds_of_the_same_pictures_are_averaged_for_each_picture():
    mine, others = [hits("10"), hits("10", 1)], [hits("01"), hits("10", 1)]
    # The pictures gain 1/2 and -1/2.
    difference, _, high = summary.hits_apart(mine, others)
    assert difference == 0
    assert high == pytest.approx(1.96 * ((0.5 + 1) / 4 / 4) ** 0.5, rel=1e-3)


def test_hits_of_another_round_are_not_compared():
    assert summary.hits_apart([hits("10")], [hits("10", 1), {"seed": 0, "round": 0}]) is None


@pytest.mark.parametrize("other", ["101", ""])
def test_hits_of_other_pictures_are_not_compared(other):
    assert summary.hits_apart([hits("10")], [hits(other)]) is None
    assert summary.hits_apart([hits(other)], [hits("10")]) is None
