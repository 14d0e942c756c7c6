import numpy as np
import pytest

from keras_transfer.auditing import imbalance


def test_equal_classes_are_told_to_be_equal():
    assert imbalance([0, 1, 1, 0], ("a", "b")).sentence == (
        "2 classes of 2 pictures each; always answering the same is right in 50%."
    )


def test_counts_ratio_and_the_number_of_equal_classes():
    found = imbalance([0] * 6 + [1] * 3, ["ants", "bees"])
    assert found.counts == {"ants": 6, "bees": 3}
    assert found.ratio == 2.0
    # exp(-(2/3 ln 2/3 + 1/3 ln 1/3)) = 3 / 2^(2/3)
    assert found.effective_classes == pytest.approx(3 / 2 ** (2 / 3))
    assert not found.is_strong
    assert "3 ('bees') to 6 ('ants') pictures" in found.sentence
    assert "always answering 'ants' is right in 67%" in found.sentence


def test_equal_classes_are_as_many_as_there_are():
    assert imbalance([0, 1, 2], "abc").effective_classes == pytest.approx(3.0)


def test_ten_to_one_is_strong():
    assert imbalance([0] * 10 + [1], "ab").is_strong


def test_a_class_without_pictures_is_counted():
    found = imbalance([0, 0], "ab")
    assert found.ratio == np.inf and found.is_strong
    assert found.effective_classes == pytest.approx(1.0)
    assert found.to_json()["ratio"] is None


@pytest.mark.parametrize("labels", [[], [2], [-1]])
def test_labels_are_indices(labels):
    with pytest.raises(ValueError, match=r"Received: . labels for 2 classes"):
        imbalance(labels, "ab")
