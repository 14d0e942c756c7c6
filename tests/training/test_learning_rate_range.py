import json

import numpy as np
import pytest

from keras_transfer.training import plot_learning_rates
from keras_transfer.training.learning_rate_range import LearningRateRange, longest_descent

RATES = tuple(np.geomspace(1e-5, 1.0, 51))


def found(smoothed, diverged=True):
    smoothed = tuple(map(float, smoothed))
    return LearningRateRange(RATES[: len(smoothed)], smoothed, smoothed, diverged)


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([], []),
        ([1], [0]),
        ([1, 2, 3], [0]),
        ([3, 3, 3], [0]),
        ([5, 4, 6, 3], [0, 1, 3]),  # 6 is struck out
        ([9, 1, 8, 7, 2, 6, 5], [0, 2, 3, 5, 6]),
    ],
)
def test_longest_descent_by_hand(values, places):
    assert longest_descent(values) == places


def test_longest_descent_is_as_long_as_there_is():
    random = np.random.default_rng(0)
    for _ in range(20):
        values = random.integers(0, 30, 40)
        descent = longest_descent(values)
        assert all(np.diff(descent) > 0) and all(np.diff(values[descent]) < 0)
        # By dynamic programming: one more than the longest that ends higher before.
        lengths = []
        for place, value in enumerate(values):
            earlier = [n for n, v in zip(lengths, values[:place], strict=True) if v > value]
            lengths.append(1 + max(earlier, default=0))
        assert len(descent) == max(lengths)


def test_suggestions_by_hand():
    # Flat for 15 steps, down by 1 for 5, by 3 for 10, by 1 for 6, and up again.
    steps = [0] * 15 + [-1] * 5 + [-3] * 10 + [-1] * 6 + [4] * 14
    result = found(100 + np.cumsum([0, *steps]))
    # The longest descent is from step 15 to step 36: 15 + 2/3 * 21 = 29.
    assert result.valley == RATES[29]
    # From step 20 to 30 it falls by 3 a step: eleven steps around the 25th.
    assert result.steepest == RATES[25]


def test_noise_does_not_end_a_descent():
    falling = np.linspace(2, 1, 51)
    noisy = falling + 0.03 * (-1.0) ** np.arange(51)
    assert RATES[28] < found(noisy, False).valley < RATES[38]


def test_first_unsettled_steps_and_what_follows_the_lowest_loss_suggest_nothing():
    # What is left are three steps, 0.99 to 0.96, and one line through them.
    smoothed = [9, 1.05, 1.04, 1.03, 1.02, 0.99, 0.97, 0.96, 5, 4]
    assert found(smoothed).steepest in RATES[5:8]
    assert found([1, 2, 3, 4, 5, 6, 7]).steepest is None


def test_table_shows_the_suggestions_and_both_ends():
    result = found(100 - np.arange(51.0), False)
    heads, *rows = result.rows()
    assert heads[0] == "learning rate" and rows[0][0] == "1.0e-05" and rows[-1][0] == "1.0e+00"
    assert {row[-1] for row in rows} >= {"valley", "steepest"}
    assert "had not diverged" in result.conclusion
    content = json.loads(json.dumps(result.to_json()))
    assert content["valley"] == result.valley and len(content["losses"]) == 51


def test_figure_marks_the_suggestions_there_are():
    for result, marks in ((found(100 - np.arange(51.0)), 2), (found([1] * 9), 0)):
        (panel,) = plot_learning_rates(result).axes
        assert len(panel.lines) == 2 + marks  # the loss, the smoothed loss, and the marks
