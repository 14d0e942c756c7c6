import numpy as np
import pytest

from keras_transfer.auditing.findings import class_sizes


def test_equal_classes_are_reported_as_equal():
    assert class_sizes([0, 1, 1, 0], ("a", "b")).conclusion == (
        "2 classes of 2 images each; always predicting one class has an accuracy of 50%."
    )


def test_sizes_and_the_effective_number_of_classes():
    sizes = class_sizes([0] * 6 + [1] * 3, ["ants", "bees"])
    assert sizes.counts == {"ants": 6, "bees": 3}
    assert sizes.ratio == 2.0
    # exp(-(2/3 ln 2/3 + 1/3 ln 1/3)) = 3 / 2^(2/3)
    assert sizes.effective_classes == pytest.approx(3 / 2 ** (2 / 3))
    assert sizes.severity == "note"
    assert sizes.conclusion == (
        "2 classes of 3 ('bees') to 6 ('ants') images; effective number of classes: 1.9; "
        "always predicting 'ants' has an accuracy of 67%."
    )


def test_effective_number_of_equal_classes_is_their_number():
    assert class_sizes([0, 1, 2], "abc").effective_classes == pytest.approx(3.0)


def test_ten_to_one_is_a_warning():
    assert class_sizes([0] * 10 + [1], "ab").severity == "warning"


def test_a_class_without_images_counts():
    sizes = class_sizes([0, 0], "ab")
    assert (sizes.ratio, sizes.severity) == (np.inf, "warning")
    assert sizes.effective_classes == pytest.approx(1.0)
    assert sizes.to_json()["ratio"] is None
