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
