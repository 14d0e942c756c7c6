import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.explanations.receptive_regions import receptive_regions
from tests.explanations.networks_to_explain import tokens_model
from tests.networks import mobilenet, residual_backbone


def network(*layers, size=12):
    return Backbone.from_model(keras.Sequential([keras.Input((size, size, 3)), *layers]))


def part_of(backbone, stage):
    return keras.Model(backbone.input, backbone.get_layer(stage).output)


def receptive_region(backbone, stage, position, size):
    """Of one position, as a tuple."""
    (found,) = receptive_regions(part_of(backbone, stage), [position], size)
    return tuple(found.tolist())


def convolution(*arguments, **keywords):
    return keras.layers.Conv2D(1, *arguments, name="last", **keywords)


BY_HAND = {
    "a pixel": ([convolution(1)], (5, 7), (5, 7, 6, 8)),
    "valid": ([convolution(3)], (5, 7), (5, 7, 8, 10)),
    "same": ([convolution(3, padding="same")], (5, 7), (4, 6, 7, 9)),
    "same at the border": ([convolution(3, padding="same")], (0, 11), (0, 10, 2, 12)),
    "dilated": ([convolution(3, dilation_rate=2)], (1, 2), (1, 2, 6, 7)),
    # Six outputs of stride 2 from twelve pixels lack one pixel, which is added at the end.
    "strided": ([convolution(3, strides=2, padding="same")], (1, 2), (2, 4, 5, 7)),
    "two": ([keras.layers.MaxPooling2D(2), convolution(3)], (1, 0), (2, 0, 8, 6)),
    "padded": ([keras.layers.ZeroPadding2D(2), convolution(3)], (3, 4), (1, 2, 4, 5)),
    "cropped": ([keras.layers.Cropping2D(2), convolution(3)], (3, 4), (5, 6, 8, 9)),
    "separable": (
        [keras.layers.DepthwiseConv2D(3), convolution(1), keras.layers.ReLU()],
        (0, 1),
        (0, 1, 3, 4),
    ),
    "enlarged": ([keras.layers.UpSampling2D(2), convolution(1)], (3, 3), (0, 0, 12, 12)),
}


@pytest.mark.parametrize("layers, position, expected", BY_HAND.values(), ids=BY_HAND)
def test_region_is_that_by_hand(layers, position, expected):
    assert receptive_region(network(*layers), "last", position, (12, 12)) == expected


def seen_pixels(backbone, stage, position, size):
    """The smallest rectangle with all pixels that have a gradient."""
    part = part_of(backbone, stage)
    images = tf.random.uniform((4, size, size, 3), 0, 255, seed=1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(part(images)[:, position[0], position[1]])
    rows, columns = np.nonzero(np.abs(tape.gradient(value, images)).sum(axis=(0, 3)))
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


@pytest.mark.parametrize("position", [(0, 0), (3, 2), (7, 7)])
def test_region_of_a_residual_network_holds_what_has_a_gradient_and_no_more(position):
    backbone = residual_backbone(size=32)
    expected = seen_pixels(backbone, "add2", position, 32)
    assert receptive_region(backbone, "add2", position, (32, 32)) == expected


def test_region_of_mobilenet_holds_what_has_a_gradient():
    backbone = mobilenet(64)
    found = receptive_region(backbone, "block_2_add", (5, 5), (64, 64))
    seen = seen_pixels(backbone, "block_2_add", (5, 5), 64)
    assert all(np.array(found[:2]) <= seen[:2]) and all(np.array(found[2:]) >= seen[2:])
    assert found != (0, 0, 64, 64)


def test_many_positions_are_like_one_each():
    backbone = residual_backbone(size=32)
    positions = [(0, 1), (3, 2), (7, 7)]
    found = receptive_regions(part_of(backbone, "add2"), positions, (32, 32))
    each = [receptive_region(backbone, "add2", position, (32, 32)) for position in positions]
    np.testing.assert_array_equal(found, each)


def test_gate_from_the_whole_image_is_left_out():
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = keras.layers.Conv2D(4, 1, activation="sigmoid")(gate)
    x = keras.layers.Multiply(name="gated")([x, gate])
    backbone = Backbone.from_model(keras.Model(inputs, x))
    assert receptive_region(backbone, "gated", (5, 5), (12, 12)) == (4, 4, 7, 7)


def test_tokens_see_the_whole_image():
    assert receptive_region(tokens_model().backbone, "norm", (1, 1), (8, 8)) == (0, 0, 8, 8)


def test_size_may_be_known_only_from_the_images():
    layers = [keras.Input((None, None, 3)), convolution(3, strides=2, padding="same")]
    backbone = Backbone.from_model(keras.Sequential(layers))
    # Eleven pixels lack two, one on each side.
    assert receptive_region(backbone, "last", (1, 1), (11, 12)) == (1, 2, 4, 5)
