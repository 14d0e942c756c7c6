import numpy as np
import pytest

from benchmarks import audits
from keras_transfer.auditing.duplicates import DuplicatePair
from tests.photographs import made_up


@pytest.mark.parametrize("change", [*audits.COPIES, *audits.SHIFTS])
def test_changes_are_those_that_are_named(change):
    image = made_up(0, (200, 100))
    changed = change(image, np.random.default_rng(0))
    width, height = changed.size
    expected = {audits.cropped: (190, 95), audits.cropped_around: (180, 90)}
    if change is audits.resized:
        assert 80 <= width <= 160 and 40 <= height <= 80
    else:
        assert np.abs(np.subtract(changed.size, expected.get(change, image.size))).max() <= 1
    assert changed.mode == "RGB"
    assert changed.size != image.size or np.any(np.asarray(changed) != np.asarray(image))


def test_a_copy_is_found_when_it_is_paired_with_its_source():
    kinds = len(audits.COPIES)
    # Two images, a copy of each for each kind, numbered from 2.
    origin = [0, 1, *[0, 1] * kinds]
    pairs = [(0, 2), (1, 3), (0, 4), (0, 5), (2, 4)]  # 5 is a copy of 1
    found = [DuplicatePair(i, j, ("", ""), "same image", 1.0) for i, j in pairs]
    recalls = audits.recalls(found, origin, 2)
    assert list(recalls.values()) == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert list(recalls)[:2] == ["recall_resized", "recall_compressed"]


def test_copies_are_measured(data_set):
    (row,) = audits.copies("copies", data_set, 32, planted=4)
    values = row["values"]
    recalls = [value for name, value in values.items() if name.startswith("recall")]
    assert recalls == [1.0] * len(audits.COPIES)
    assert (values["precision"], values["pairs_before"], values["images"]) == (1.0, 0, 30)


def test_label_errors_and_shifts_are_measured(data_set):
    network = "MobileNetV2-random"
    (row,) = audits.label_errors("label errors", data_set, network, 32, share=0.05)
    assert set(row["values"]) == {"precision", "recall", "first", "probe_accuracy"}
    assert all(0 <= value <= 1 for value in row["values"].values())
    (row,) = audits.shift("shift", data_set, network, 32, splits=2, most=12)
    values = row["values"]
    assert 0 <= values["false_alarms"] <= values["random_splits"] == 2
    for name in ("found_brighter", "features_brighter", "found_other_camera"):
        assert values[name] in (0, 1)
