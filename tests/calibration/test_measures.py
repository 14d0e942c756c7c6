import json

import numpy as np
import pytest

from keras_transfer import calibration
from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer.calibration import per_class
from keras_transfer.calibration.measures import confusion_table, measure, worst_mistakes

PROBABILITIES = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.75, 0.25]])
LABELS = [0, 0, 1, 1]


def test_measures_by_hand():
    measured = measure(PROBABILITIES, LABELS, ["a", "b"])
    assert measured["accuracy"] == 0.75
    # -(log 3/4 + log 1/2 + log 3/4 + log 1/4) / 4
    expected = -(2 * np.log(0.75) + np.log(0.5) + np.log(0.25)) / 4
    np.testing.assert_allclose(measured["loss"], expected)
    # "a" is predicted three times, two of them correctly, and has no other images.
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


def test_many_classes_are_listed_by_their_most_common_confusions():
    names = [f"class {number}" for number in range(16)]
    counts = 20 * np.eye(16, dtype=int)
    counts[3, 7], counts[9, 0] = 5, 1
    assert confusion_table(counts.tolist(), names).splitlines() == [
        "Most common confusions:", "class 3 as class 7: 5 of 25", "class 9 as class 0: 1 of 21",
    ]  # fmt: skip
    matrix = confusion_table(counts[:15, :15].tolist(), names[:15])
    assert len(matrix.splitlines()) == 16


def test_counts_are_true_by_predicted():
    found = per_class([0, 0, 1, 2], [0, 1, 1, 0], ["a", "b", "c"])
    assert found.confusion == ((1, 1, 0), (0, 1, 0), (1, 0, 0))


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
    ("labels", "predicted", "message"),
    [
        ([0, 1], [0], r"labels of shape \(2,\), predicted of shape \(1,\)"),
        ([0, 2], [0, 1], r"and \{2\}"),
        ([0, -1], [0, 1], r"and \{-1\}"),
        ([[0, 1]], [[0, 1]], r"labels of shape \(1, 2\)"),
    ],
)
def test_invalid_classes_are_refused(labels, predicted, message):
    with pytest.raises(ValueError, match=message):
        per_class(labels, predicted, ["ant", "bee"])


ROWS = np.array([[0.7, 0.3], [0.9, 0.1], [0.2, 0.8], [1.0, 0.0]])


def test_mistakes_with_the_least_probable_class_come_first():
    found = worst_mistakes(ROWS, np.array([1, 1, 1, 1]), 12)
    assert [one.index for one in found] == [3, 1, 0]
    assert (found[1].true_class, found[1].predicted_class) == (1, 0)
    assert (found[1].true_probability, found[1].predicted_probability) == (0.1, 0.9)
    assert worst_mistakes(ROWS, np.array([1, 1, 1, 1]), 1) == found[:1]
    assert worst_mistakes(ROWS, np.array([0, 0, 1, 0]), 12) == ()


LABELS_OF = np.arange(400) % 2
OF_PATIENTS = np.arange(400) // 40
# Of some patients nearly all images are predicted correctly, of others few.
IS_RIGHT = np.random.default_rng(0).random(400) < np.linspace(0.3, 1, 10)[OF_PATIENTS]
SURE = np.where(IS_RIGHT, 0.7, 0.3)
OF_CLASSES = np.where(np.eye(2)[LABELS_OF] > 0, SURE[:, None], 1 - SURE[:, None])
PREDICTED = OF_CLASSES.argmax(axis=1)


def of_class(number, groups):
    return per_class(LABELS_OF, PREDICTED, "ab", groups).classes[number]


@pytest.mark.parametrize(
    "interval",
    [
        lambda groups: measure(OF_CLASSES, LABELS_OF, "ab", groups)["accuracy_interval"],
        lambda groups: of_class(0, groups).recall_interval,
        lambda groups: of_class(1, groups).precision_interval,
        lambda groups: calibration.per_label(
            np.eye(2)[LABELS_OF], OF_CLASSES, "ab", groups=groups
        ).intervals["micro_f1"],
        lambda groups: calibration.per_number(
            LABELS_OF[:, None], PREDICTED[:, None], "a", [0.5], groups=groups
        ).numbers[0].mae_interval,
        lambda groups: calibration.per_pixel(
            np.eye(4)[2 * LABELS_OF + PREDICTED].reshape(-1, 2, 2), "ab", groups
        ).mean_iou_interval,
        lambda groups: calibration.measure_calibration(
            OF_CLASSES, LABELS_OF, num_draws=200, groups=groups
        ).interval,
    ],
)  # fmt: skip
def test_intervals_count_groups(interval):
    (low, high), (least, most) = interval(None), interval(OF_PATIENTS.tolist())
    assert most - least > 1.5 * (high - low)
    with pytest.raises(ValueError, match="3 groups for 400 images"):
        interval(["a"] * 3)
