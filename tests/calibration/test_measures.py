import json

import numpy as np

from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer.calibration.measures import confusion_table, measure

PROBABILITIES = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.75, 0.25]])
LABELS = [0, 0, 1, 1]


def test_measures_by_hand():
    measured = measure(PROBABILITIES, LABELS, ["a", "b"])
    assert measured["accuracy"] == 0.75
    # -(log 3/4 + log 1/2 + log 3/4 + log 1/4) / 4
    expected = -(2 * np.log(0.75) + np.log(0.5) + np.log(0.25)) / 4
    np.testing.assert_allclose(measured["loss"], expected)
    # "a" is predicted three times, twice rightly, and found both times.
    assert measured["classes"]["a"] == {
        "images": 2,
        "precision": 2 / 3,
        "recall": 1.0,
        "precision_interval": list(wilson_interval(2, 3)),
        "recall_interval": list(wilson_interval(2, 2)),
    }
    second = measured["classes"]["b"]
    assert (second["images"], second["precision"], second["recall"]) == (2, 1.0, 0.5)
    assert measured["accuracy_interval"] == list(wilson_interval(3, 4))
    assert json.loads(json.dumps(measured)) == measured


def test_class_that_never_occurs_has_no_recall():
    measured = measure(np.array([[0.9, 0.05, 0.05]]), [0], ["a", "b", "c"])
    assert set(measured["classes"]["b"].values()) == {0, None}


def test_table_is_aligned_and_cuts_long_names():
    table = confusion_table([[10, 0], [3, 100]], ["a", "a very long class name"])
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "a very long c…" in lines[2]
    assert lines[2].split()[-2:] == ["3", "100"]
