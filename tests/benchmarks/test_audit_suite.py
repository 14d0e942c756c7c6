import numpy as np
import pytest

from benchmarks import audit_copies, audit_labels, audit_shift, changed_pictures
from benchmarks.networks import NETWORKS
from keras_transfer.auditing.duplicates import DuplicatePair, NearDuplicates
from tests.photographs import made_up


@pytest.mark.parametrize("change", [*changed_pictures.COPIES, *changed_pictures.SHIFTS])
def test_changes_are_those_that_are_named(change):
    image = made_up(0, (200, 100))
    changed = change(image, np.random.default_rng(0))
    width, height = changed.size
    expected = {
        changed_pictures.cropped: (190, 95),
        changed_pictures.cropped_around: (180, 90),
    }.get(change, image.size)
    if change is changed_pictures.resized:
        assert 80 <= width <= 160 and 40 <= height <= 80
    else:
        assert np.abs(np.subtract(changed.size, expected)).max() <= 1
    assert changed.mode == "RGB"
    assert changed.size != image.size or np.any(np.asarray(changed) != np.asarray(image))
    if change is changed_pictures.brighter:
        before, after = (np.asarray(one, "float64") for one in (image, changed))
        np.testing.assert_allclose(after, np.minimum(1.3 * before, 255), atol=1)


def test_a_copy_is_found_when_it_is_paired_with_its_source():
    kinds = len(changed_pictures.COPIES)
    # Two pictures, a copy of each for each kind, numbered from 2.
    origin = [0, 1, *[0, 1] * kinds]
    pairs = [(0, 2), (1, 3), (0, 4), (0, 5), (2, 4)]  # 5 is a copy of 1
    found = NearDuplicates(
        tuple(DuplicatePair(i, j, ("", ""), "same image", 0, 1.0) for i, j in pairs), (), 12
    )
    recall = dict(audit_copies._recall(found, origin, 2))
    assert list(recall.values()) == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert list(recall)[:2] == ["resized", "compressed"]


def test_copies_are_measured(data_set):
    (row,) = audit_copies.measure("copies", data_set, 32, planted=4)
    values = row["values"]
    recalls = [value for name, value in values.items() if name.startswith("recall")]
    assert recalls == [1.0] * len(changed_pictures.COPIES)
    assert (values["precision"], values["pairs_before"], values["pictures"]) == (1.0, 0, 30)


def test_label_errors_and_shifts_are_measured(data_set):
    network = "MobileNetV2-random"
    assert NETWORKS[network].weights is None
    (row,) = audit_labels.measure("label errors", data_set, network, 32, share=0.05)
    assert set(row["values"]) == {"precision", "recall", "first", "probe_accuracy"}
    assert all(0 <= value <= 1 for value in row["values"].values())
    (row,) = audit_shift.measure("shift", data_set, network, 32, splits=2, most=12)
    values = row["values"]
    assert 0 <= values["false_alarms"] <= values["random_splits"] == 2
    for name in ("found_brighter", "features_brighter", "found_other_camera"):
        assert values[name] in (0, 1)
