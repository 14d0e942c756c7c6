"""The head that finds objects by their centres, and its loss."""

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import heads
from keras_transfer.backbones import Backbone
from keras_transfer.heads.center_loss import CenterLoss, generalized_iou, grid_boxes
from keras_transfer.models import TransferModel
from keras_transfer.models.label_rules import label_rule
from tests.networks import small_application

# Two boxes on a grid of 4 x 4 positions, and a row without one.
LABELS = np.array(
    [[[0.1, 0.1, 0.4, 0.4, 0], [0.5, 0.5, 1.0, 1.0, 1], [0, 0, 0, 0, -1]]], "float32"
)


def perfect(certain=12.0):
    """The output that is exactly right for LABELS."""
    output = np.zeros((1, 4, 4, 2 + 4), "float32")
    output[..., :2] = -certain
    for left, top, right, bottom, kind in LABELS[0, :2]:
        x, y = (left + right) / 2 * 4, (top + bottom) / 2 * 4
        row, column = int(y), int(x)
        output[0, row, column, int(kind)] = certain
        # Positions near the centre learn the same box.
        for r in range(4):
            for c in range(4):
                nearer = (r < 2 and c < 2) if kind == 0 else (r >= 2 and c >= 2)
                if nearer:
                    size = [np.log(right - left) + 2, np.log(bottom - top) + 2]
                    output[0, r, c, 2:] = [x - c - 0.5, y - r - 0.5, *size]
    return output


def test_the_box_of_a_position_is_relative_to_its_middle():
    values = np.zeros((1, 2, 4, 4), "float32")
    values[0, 1, 2] = [0.5, -0.5, np.log(0.5) + 2, np.log(0.25) + 2]
    # x = (2 + 0.5 + 0.5) / 4 = 0.75, half of 0.5: 0.5 to 1; y = (1 + 0.5 - 0.5) / 2 = 0.5
    np.testing.assert_allclose(grid_boxes(values)[0, 1, 2], [0.5, 0.375, 1.0, 0.625], atol=1e-6)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0.0, 0.0, 1.0, 1.0], 1.0),
        # Half of it: 0.5, and the hull is the union.
        ([0.0, 0.0, 0.5, 1.0], 0.5),
        # Beside it with a gap of 1: no intersection, union 2, hull 3: 0 - 1 / 3.
        ([2.0, 0.0, 3.0, 1.0], -1 / 3),
    ],
)
def test_generalized_iou(other, expected):
    found = generalized_iou(tf.constant([[0.0, 0.0, 1.0, 1.0]]), tf.constant([other]))
    assert float(found[0]) == pytest.approx(expected, abs=1e-5)


def test_the_loss_of_what_is_right_is_almost_zero_and_of_the_start_is_not():
    loss = CenterLoss()
    assert float(loss(LABELS, perfect())) < 0.01
    assert float(loss(LABELS, np.zeros((1, 4, 4, 6), "float32"))) > 1


def test_an_image_without_boxes_has_a_finite_loss_of_wrong_centres_alone():
    nothing = np.full((1, 3, 5), -1.0, "float32")
    assert float(CenterLoss()(nothing, np.full((1, 4, 4, 6), -20.0, "float32"))) < 1e-6
    assert np.isfinite(float(CenterLoss()(nothing, np.zeros((1, 4, 4, 6), "float32"))))


def test_two_boxes_of_a_class_at_one_position_share_it():
    labels = np.repeat(LABELS[:, :1], 2, axis=1)
    assert np.isfinite(float(CenterLoss()(labels, perfect())))


def test_decoding_finds_the_boxes_the_most_certain_first():
    output = perfect()
    output[0, 3, 3, 1] = 3.0  # of the same box: suppressed
    boxes, scores, classes, number = heads.CenterHead(2).decode(output)
    assert int(number[0]) == 2 and set(classes[0, :2].numpy()) == {0, 1}
    for box, kind in zip(boxes[0, :2].numpy(), classes[0, :2].numpy(), strict=True):
        np.testing.assert_allclose(box, LABELS[0, kind, :4], atol=1e-5)
    assert float(scores[0, 0]) > 0.99


@pytest.mark.parametrize(
    "arguments",
    [{"num_classes": 0}, {"width": 0}, {"max_boxes": True}, {"score_threshold": 1.0},
     {"iou_threshold": -0.1}, {"loss_weight": 0}],
)  # fmt: skip
def test_arguments_out_of_range_are_told(arguments):
    with pytest.raises(ValueError, match="Received: "):
        heads.CenterHead(**{"num_classes": 3, **arguments})


def test_the_grid_is_that_of_the_stage_at_an_eighth():
    model = TransferModel(
        Backbone.from_model(small_application((64, 96, 3))), heads.CenterHead(3, width=4)
    )
    assert model.output_shape == (None, 8, 12, 7)


GOOD = [0.1, 0.1, 0.5, 0.5, 2]


@pytest.mark.parametrize(
    ("box", "fits"),
    [
        (GOOD, True),
        ([0, 0, 0, 0, -1], True),
        ([0.1, 0.1, 0.5, 0.5, 3], False),
        ([0.1, 0.1, 0.5, 0.5, 0.5], False),
        ([10, 10, 50, 50, 0], False),
        ([0.5, 0.1, 0.1, 0.5, 0], False),
        ([np.nan, 0.1, 0.1, 0.5, 0], False),
    ],
)
def test_boxes_out_of_range_are_found_before_they_train(box, fits):
    rule = label_rule(heads.CenterHead(3), None, 4)
    labels = np.array([[GOOD, box]])
    assert bool(rule.fits(tf.constant(labels))) is fits
    if not fits:
        assert "left, top, right and bottom as fractions" in rule.problem(labels)
    with pytest.raises(ValueError, match="labels of shape"):
        rule.check_spec(tf.TensorShape([None, 4, 4]), "float32")
