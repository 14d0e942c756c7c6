import numpy as np
import pytest

from keras_transfer import calibration
from keras_transfer._statistics.ranking_measures import ranking_measures
from keras_transfer.calibration.label_measures import choose_threshold


@pytest.fixture
def scored():
    random = np.random.default_rng(0)
    labels = (random.random((60, 3)) < [0.5, 0.2, 0.8]).astype(float)
    # Rounded: many images have equal scores.
    scores = np.round(np.clip(0.3 * labels + 0.7 * random.random((60, 3)), 0, 1), 1)
    return labels, scores


def test_average_precision_and_auc_equal_those_of_scikit_learn(scored):
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels, scores = scored
    counts = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=3)
    for label in range(3):
        precisions, areas = ranking_measures(scores[:, label], labels[:, label], counts)
        for row, count in enumerate(counts):
            given = (labels[:, label], scores[:, label], *[])
            assert precisions[row] == pytest.approx(
                average_precision_score(*given, sample_weight=count)
            )
            assert areas[row] == pytest.approx(roc_auc_score(*given, sample_weight=count))


def test_measures_of_labels_equal_those_of_scikit_learn(scored):
    from sklearn.metrics import average_precision_score, f1_score

    labels, scores = scored
    found = calibration.per_label(labels, scores, "abc", threshold=0.55)
    decided = scores >= 0.55
    assert found.mean_average_precision == pytest.approx(
        average_precision_score(labels, scores)
    )
    assert found.macro_f1 == pytest.approx(f1_score(labels, decided, average="macro"))
    assert found.micro_f1 == pytest.approx(f1_score(labels, decided, average="micro"))
    always = np.zeros_like(labels)
    always[:, labels.sum(0).argmax()] = 1
    assert found.always == pytest.approx(f1_score(labels, always, average="micro"))
    assert found.chance == pytest.approx(labels.mean())
    for name, (low, high) in found.intervals.items():
        assert low < getattr(found, name) < high
    assert [one.images for one in found.labels] == labels.sum(0).astype(int).tolist()
    assert len(found.rows()) == 4


def test_a_label_of_all_or_no_images_has_no_average_precision():
    labels = np.array([[1, 0, 1], [1, 0, 0]])
    found = calibration.per_label(labels, np.full((2, 3), 0.6), "abc")
    always, never, some = found.labels
    assert (always.average_precision, always.auc, always.recall, always.f1) == (
        None,
        None,
        1,
        1,
    )
    assert (never.average_precision, never.recall, never.f1, never.precision) == (
        None, None, None, 0,
    )  # fmt: skip
    # Both images have the same score: a half, as chance has.
    assert found.mean_average_precision == some.average_precision == 0.5
    assert calibration.per_label([[0]], [[0.1]], "a").mean_average_precision is None


def test_the_threshold_has_the_highest_f1():
    labels = np.array([[1], [1], [0], [0]])
    # Anywhere above 0.2 and up to 0.3: 0.3 is the nearest to a half.
    assert choose_threshold(labels, np.array([[0.9], [0.3], [0.2], [0.1]])) == 0.3
    assert choose_threshold(labels, np.array([[0.9], [0.8], [0.1], [0.1]])) == 0.5


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [([[2]], [[0.5]]), ([[1]], [[1.5]]), ([1], [0.5]), ([[1, 0]], [[0.5, 0.5]])],
)
def test_wrong_labels_are_told(labels, probabilities):
    with pytest.raises(ValueError, match=r"must have the shape \(images, labels\)"):
        calibration.per_label(labels, probabilities, ["a"])
