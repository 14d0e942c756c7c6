import numpy as np
import pytest

from keras_transfer import calibration


def test_measures_of_numbers_equal_those_of_scikit_learn():
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    random = np.random.default_rng(0)
    targets = 2000 + random.normal(0, [1, 50], (80, 2))
    predicted = targets + random.normal(0.5, [1, 5], (80, 2))
    found = calibration.per_number(targets, predicted, ["year", "b"], [2000, 1990])
    for column, one in enumerate(found.numbers):
        pair = targets[:, column], predicted[:, column]
        assert one.mae == pytest.approx(mean_absolute_error(*pair))
        assert one.rmse == pytest.approx(root_mean_squared_error(*pair))
        assert one.r2 == pytest.approx(r2_score(*pair))
        assert one.mae_interval[0] < one.mae < one.mae_interval[1]
        assert one.r2_interval[0] < one.r2 < one.r2_interval[1]
        assert one.half_within == pytest.approx(np.median(np.abs(pair[0] - pair[1])))
        assert one.half_within < one.most_within
    assert found.numbers[1].baseline_mae == pytest.approx(np.abs(targets[:, 1] - 1990).mean())
    assert found.numbers[0].bias == pytest.approx((predicted - targets)[:, 0].mean())
    assert len(found.rows()) == 3


def test_equal_numbers_have_no_r2():
    (one,) = calibration.per_number([[3.3], [3.3]], [[3.0], [4.0]], ["a"], [0]).numbers
    assert (one.r2, one.r2_interval) == (None, None)


@pytest.mark.parametrize("predicted", [[1.0, 2.0], [[1.0]], [[1.0], [np.nan]]])
def test_wrong_numbers_are_told(predicted):
    with pytest.raises(ValueError, match="`targets` and `predicted` must"):
        calibration.per_number([[1.0], [2.0]], predicted, ["a"], [0])
