"""A sheet of images as the network sees them."""

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.data import Augmentation, image_folder, show
from keras_transfer.data.labeled_dataset import LabeledDataset
from tests.pictures import colour_folder


def titles(figure):
    return [panel.get_title() for panel in figure.axes]


def test_images_are_drawn_with_their_class(tmp_path):
    splits = image_folder(colour_folder(tmp_path), image_size=16, batch_size=4)
    figure = show(splits.train_in_order, 8)
    labels = splits.labels["train"][:8]
    assert titles(figure) == [splits.class_names[label] for label in labels]
    (first, *_), _ = next(iter(splits.train_in_order))
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, first.numpy().astype("uint8"))


def test_mixed_labels_name_both_classes(tmp_path):
    splits = image_folder(colour_folder(tmp_path), image_size=16, batch_size=18)
    figure = show(Augmentation(mixup=5.0)(splits.train), 18)
    assert any(", " in title for title in titles(figure))


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ((np.zeros((2, 8, 8, 1)), np.float32([[1.5, 2], [3, 4]])), ["1.5, 2.0", "3.0, 4.0"]),
        (np.zeros((2, 8, 8, 3), "float32"), ["", ""]),
    ],
)  # fmt: skip
def test_labels_without_names_are_their_values(elements, expected):
    dataset = tf.data.Dataset.from_tensor_slices(elements).batch(2)
    assert titles(show(dataset)) == expected


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        ([[1, 0, 1], [0, 0, 0]], "abc", ["a, c", "none"]),
        ([[1], [0]], "a", ["a", "none"]),
        ([[1500.5], [0.25]], ["price"], ["price 1500", "price"]),
        ([[7, -2], [3, 0]], "xy", ["x 7, y -2", "x 3, y 0"]),
    ],
)
def test_several_labels_and_numbers_are_named(labels, names, expected):
    elements = (np.zeros((2, 8, 8, 3)), np.float32(labels))
    dataset = tf.data.Dataset.from_tensor_slices(elements).batch(2)
    assert titles(show(LabeledDataset(dataset, list(names)))) == expected


@pytest.mark.parametrize("number", [0, 4])
def test_what_is_no_image_is_refused(number):
    dataset = tf.data.Dataset.from_tensor_slices(np.zeros((4, 3))).batch(2)
    with pytest.raises(ValueError, match="must hold batches of images"):
        show(dataset, number)
