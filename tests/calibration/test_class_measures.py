import numpy as np
import pytest

from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer.calibration import per_class
from keras_transfer.calibration.class_measures import confusion_matrix


def test_counts_are_true_by_predicted():
    counts = confusion_matrix([0, 0, 1, 2], [0, 1, 1, 0], 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])


def test_shares_and_intervals_by_hand():
    found = per_class([0] * 4 + [1] * 6, [0, 0, 0, 1] + [1] * 5 + [0], ["ant", "bee"])
    assert found.confusion == ((3, 1), (1, 5))
    ant, bee = found.classes
    # 3 of 4 ants are found, and 3 of the 4 that are called ants are ants; 5 of 6 for bees.
    assert (ant.name, ant.images, ant.precision, ant.recall) == ("ant", 4, 0.75, 0.75)
    assert ant.precision_interval == ant.recall_interval == wilson_interval(3, 4)
    assert (bee.precision, bee.recall) == (5 / 6, 5 / 6)
    assert found.to_json()["classes"]["ant"]["recall_interval"] == list(wilson_interval(3, 4))


def test_class_that_never_occurs_nor_is_predicted_has_no_figures():
    _, bee = per_class([0], [0], ["ant", "bee"]).classes
    assert bee.images == 0
    assert bee.precision is bee.recall is bee.precision_interval is bee.recall_interval is None


@pytest.mark.parametrize(
    ("labels", "predicted", "told"),
    [
        ([0, 1], [0], r"labels of shape \(2,\), predicted of shape \(1,\)"),
        ([0, 2], [0, 1], r"the numbers \[2\] that are no classes"),
        ([0, -1], [0, 1], r"the numbers \[-1\]"),
        ([[0, 1]], [[0, 1]], r"labels of shape \(1, 2\)"),
    ],
)
def test_what_is_no_class_is_refused(labels, predicted, told):
    with pytest.raises(ValueError, match=told):
        per_class(labels, predicted, ["ant", "bee"])
