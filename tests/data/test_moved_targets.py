"""Masks and boxes that move with their images."""

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.data import Augmentation
from keras_transfer.data.image_transforms import move_boxes
from keras_transfer.data.resampling import resample

SIZE = 32
MOVES = Augmentation(flip="horizontal_and_vertical", rotation=0.1, zoom=0.2, crop=0.6,
                     translation=0.1, seed=3)  # fmt: skip


def squares(number=16):
    """Black images with a white square each, its mask, and its box."""
    random = np.random.default_rng(0)
    images, masks = np.zeros((number, SIZE, SIZE, 3), "float32"), np.zeros((number, SIZE, SIZE))
    boxes = np.full((number, 2, 5), -1, "float32")
    boxes[..., :4] = 0
    for index in range(number):
        top, left = random.integers(8, 16, 2)
        images[index, top : top + 8, left : left + 8] = 255
        masks[index, top : top + 8, left : left + 8] = 1
        boxes[index, 0] = [left / SIZE, top / SIZE, (left + 8) / SIZE, (top + 8) / SIZE, 1]
    return images, masks.astype("uint8"), boxes


def test_a_mask_moves_with_its_image():
    images, masks, _ = squares()
    dataset = tf.data.Dataset.from_tensors((images, masks))
    ((moved, labels),) = MOVES(dataset)
    assert labels.dtype == "uint8" and not np.array_equal(labels, masks)
    # The resampled edge of the image is grey; the mask has an edge of whole pixels.
    assert np.mean((moved.numpy()[..., 0] > 127) == labels.numpy().astype(bool)) > 0.985


def test_a_box_moves_with_its_image():
    images, _, boxes = squares()
    for augmentation in (MOVES, Augmentation(flip="horizontal", crop=0.5, seed=1)):
        ((moved, found),) = augmentation(tf.data.Dataset.from_tensors((images, boxes)))
        for image, (box, nothing) in zip(moved.numpy(), found.numpy(), strict=True):
            assert nothing[4] == -1 and not nothing[:4].any()
            rows, columns = np.nonzero(image[..., 0] > 191)
            if box[4] < 0 or not rows.size:
                continue
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box[:4] * SIZE, edges, atol=2.5)


def test_a_mirrored_box_is_exact_and_one_outside_goes():
    boxes = tf.constant([[[0.1, 0.2, 0.4, 0.6, 0], [0.9, 0.0, 1.0, 1.0, 1]]])
    images, one, none = tf.zeros((1, 10, 20, 3)), tf.ones(1), tf.zeros(1)
    mirrored = move_boxes(boxes, images, [[-one, none], [none, one]], (none, none))
    np.testing.assert_allclose(mirrored[0, 0], [0.6, 0.2, 0.9, 0.6, 0], atol=1e-6)
    # Shifted by 4 of 20 pixels to the right: 0.2 more; the second one lies outside.
    shifted = move_boxes(boxes, images, [[one, none], [none, one]], (-4 * one, none))
    np.testing.assert_allclose(shifted[0, 0], [0.3, 0.2, 0.6, 0.6, 0], atol=1e-6)
    np.testing.assert_allclose(shifted[0, 1], [0, 0, 0, 0, -1])
    assert float(resample(images, [[one, none], [none, one]], (-4 * one, none),
                          fill_mode="CONSTANT")[0, 0, 0, 0]) == 127  # fmt: skip


@pytest.mark.parametrize("name", ["rand_augment", "mixup", "cutmix"])
@pytest.mark.parametrize("kind", ["masks", "boxes"])
def test_a_transform_that_cannot_move_a_target_is_told(name, kind):
    images, masks, boxes = squares(2)
    dataset = tf.data.Dataset.from_tensors((images, masks if kind == "masks" else boxes))
    with pytest.raises(ValueError, match=f"`{name}` cannot move {kind}"):
        Augmentation(**{name: 0.5})(dataset)


def test_a_sheet_shows_masks_and_boxes_over_the_images():
    images, masks, boxes = squares(2)
    over = [data.show(tf.data.Dataset.from_tensors((images, one)), 2) for one in (masks, boxes)]
    assert [len(figure.axes) for figure in over] == [2, 2]
    assert len(over[0].axes[0].images) == 2 and len(over[1].axes[0].lines) == 1
