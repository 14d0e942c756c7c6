import numpy as np
import pytest

from keras_transfer.calibration import worst_mistakes

ROWS = np.array([[0.7, 0.3], [0.9, 0.1], [0.2, 0.8], [1.0, 0.0]])


def test_wrong_predictions_by_falling_loss():
    found = worst_mistakes(ROWS, np.array([1, 1, 1, 1]))
    assert [one.index for one in found] == [3, 1, 0]
    assert (found[1].true_class, found[1].predicted_class) == (1, 0)
    assert (found[1].true_probability, found[1].predicted_probability) == (0.1, 0.9)
    assert found[2].loss == pytest.approx(-np.log(0.3))
    assert np.isfinite(found[0].to_json()["loss"])
    assert worst_mistakes(ROWS, np.array([1, 1, 1, 1]), 1) == found[:1]
    assert worst_mistakes(ROWS, np.array([0, 0, 1, 0])) == ()


@pytest.mark.parametrize("number", [0, True, 2.0])
def test_number_is_a_positive_integer(number):
    with pytest.raises(ValueError, match="`number` must be a positive integer"):
        worst_mistakes(ROWS, np.array([1, 1, 1, 1]), number)
