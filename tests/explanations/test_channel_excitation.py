import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.backbones import Backbone
from keras_transfer.data import Augmentation
from keras_transfer.explanations import most_exciting
from keras_transfer.explanations.channel_excitation import guided_projections, is_rectifier
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.explanations.networks_to_explain import (
    IMAGES,
    SIZE,
    assert_same_weights,
    see_pixels,
    tokens_model,
    weights_of,
)
from tests.networks import residual_backbone
from tests.pictures import colour_folder

MANY = np.random.default_rng(3).uniform(0, 255, (23, SIZE, SIZE, 3)).astype("float32")
MANY_LARGER = np.random.default_rng(4).uniform(0, 255, (6, 16, 16, 3)).astype("float32")


def test_channels_that_are_the_pixels_find_the_brightest():
    found = most_exciting(see_pixels(), MANY, "stage1", [2, 0], num_images=4, batch_size=5)
    assert [(f.stage, f.channel) for f in found] == [("see", 2), ("see", 0)]
    for exciting in found:
        pixels = MANY[..., exciting.channel].reshape(23, -1)
        expected = np.argsort(-pixels.max(axis=1))[:4]
        np.testing.assert_array_equal(exciting.indices, expected)
        np.testing.assert_array_equal(exciting.activations, pixels.max(axis=1)[expected])
        places = pixels.argmax(axis=1)[expected]
        np.testing.assert_array_equal(exciting.positions, np.transpose(divmod(places, SIZE)))
        np.testing.assert_array_equal(exciting.images, MANY[expected])


def test_region_and_projection_are_the_pixel_itself():
    (exciting,) = most_exciting(see_pixels(), MANY, "stage1", [1], num_images=2)
    for number, (row, column) in enumerate(exciting.positions):
        assert tuple(exciting.regions[number]) == (row, column, row + 1, column + 1)
        expected = np.zeros((SIZE, SIZE, 3))
        expected[row, column, 1] = 1.0
        np.testing.assert_array_equal(exciting.projections[number], expected)
        crop, projection = exciting.cropped(number)
        np.testing.assert_array_equal(
            crop, MANY[[exciting.indices[number]], row, [column]][np.newaxis]
        )
        np.testing.assert_array_equal(projection, [[[0.0, 1.0, 0.0]]])


def test_nothing_outside_the_region_is_projected():
    for exciting in most_exciting(residual_backbone(), MANY_LARGER, "add1", num_images=2):
        for number, (top, left, bottom, right) in enumerate(exciting.regions):
            outside = exciting.projections[number].copy()
            assert outside[top:bottom, left:right].shape == exciting.cropped(number)[1].shape
            outside[top:bottom, left:right] = 0
            assert not outside.any()


def test_equal_images_keep_their_order_and_a_small_dataset_gives_few():
    (exciting,) = most_exciting(see_pixels(), np.stack([IMAGES[0]] * 3), "see", [0], 9, 2)
    assert list(exciting.indices) == [0, 1, 2]


def test_channels_default_to_the_first_eight():
    assert [f.channel for f in most_exciting(see_pixels(), IMAGES, "see")] == [0, 1, 2]
    found = most_exciting(residual_backbone(), MANY_LARGER, "add2", num_images=1)
    assert [f.channel for f in found] == list(range(8))


def test_model_takes_its_backbone_and_stays_as_it_is():
    model = TransferModel(residual_backbone(), SoftmaxHead(2))
    before = weights_of(model)
    (found,) = most_exciting(model, MANY_LARGER, "stage2", [3], num_images=2)
    (again,) = most_exciting(model.backbone, MANY_LARGER, "stage2", [3], num_images=2)
    np.testing.assert_array_equal(found.projections, again.projections)
    assert_same_weights(model, before)


def test_tokens_are_a_grid():
    (found,) = most_exciting(tokens_model(), IMAGES, "tokens", [1], num_images=2)
    for projection, (row, column) in zip(found.projections, found.positions, strict=True):
        patch = slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2)
        assert projection[patch].all()
        projection[patch] = 0
        assert not projection.any()


def found_indices(dataset, backbone=None):
    (found,) = most_exciting(backbone or see_pixels(), dataset, "see", [0], num_images=3)
    return list(found.indices)


def test_plain_dataset_is_read_in_its_order_with_or_without_labels():
    expected = found_indices(MANY)
    images = tf.data.Dataset.from_tensor_slices(MANY).batch(4)
    assert found_indices(images) == expected
    labels = tf.data.Dataset.from_tensor_slices(np.zeros(23)).batch(4)
    assert found_indices(tf.data.Dataset.zip((images, labels))) == expected


def test_shuffled_and_augmented_folder_is_read_in_the_order_of_its_source(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path, ("train",), 4), SIZE)
    source = np.stack([np.asarray(image) for image, _ in splits.train.source.examples()])
    expected = found_indices(source)
    assert found_indices(splits.train) == expected
    assert (
        found_indices(Augmentation(flip="horizontal", rotation=0.2)(splits.train)) == expected
    )
    in_order = found_indices(splits.train_in_order)
    # Red is the third class, after blue and green.
    assert {splits.labels["train"][index] for index in in_order} == {2}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"channels": [3]}, r"below 3. Received: channels=\[3\]"),
        ({"channels": []}, "list of integers"),
        ({"channels": 1}, "list of integers"),
        ({"num_images": 0}, "`num_images` must be a positive integer"),
        ({"batch_size": 1.5}, "`batch_size` must be a positive integer"),
        ({"stage": "nowhere"}, "no stage, layer or operation"),
        ({"dataset": IMAGES[:0]}, "holds no image"),
        ({"dataset": IMAGES[:, :3]}, "images of shape"),
    ],
)
def test_invalid_argument_is_refused(arguments, message):
    arguments = {"dataset": IMAGES, "stage": "see", **arguments}
    with pytest.raises(ValueError, match=message):
        most_exciting(see_pixels(), **arguments)


# One position, three channels, 1x1 convolutions: everything follows by hand.
PIXEL = np.array([2.0, 3.0, 1.0], "float32").reshape(1, 1, 1, 3)
PIXELS = np.tile(PIXEL, (1, 2, 2, 1))
FIRST = np.array([[1.0, -1.0], [0.0, 1.0], [-3.0, 2.0]])  # 2 - 3 = -1, and -2 + 3 + 2 = 3
SECOND = np.array([[1.0, 5.0, 1.0], [2.0, -1.0, 1.0]])


def rectified_network(rectify, last=None):
    """Two convolutions of one pixel with `rectify` between them, and `last` at the end."""
    inputs = keras.Input((2, 2, 3))
    x = rectify(keras.layers.Conv2D(2, 1, use_bias=False, name="first")(inputs))
    x = keras.layers.Conv2D(3, 1, use_bias=False, activation=last, name="second")(x)
    network = keras.Model(inputs, x)
    network.get_layer("first").set_weights([FIRST[np.newaxis, np.newaxis]])
    network.get_layer("second").set_weights([SECOND[np.newaxis, np.newaxis]])
    return Backbone.from_model(network)


def projection(backbone, channel, images=PIXELS):
    """At the first position; at all others it must be 0."""
    found = guided_projections(backbone, images, [channel], [(0, 0)])
    assert not found[0, 1:].any() and not found[0, 0, 1:].any()
    return found[0, 0, 0]


RELU = {
    "layer": keras.layers.ReLU(),
    "activation": keras.layers.Activation("relu"),
    "operation": keras.ops.relu,
    "relu6": keras.layers.ReLU(6.0),
}


@pytest.mark.parametrize("rectify", RELU.values(), ids=RELU)
def test_gradient_passes_where_it_and_the_input_are_positive(rectify):
    backbone = rectified_network(rectify)
    # Before the ReLU stand -1 and 3: the first blocks. To channel 0 the second passes on
    # 2 * (-1, 1, 2).
    np.testing.assert_allclose(projection(backbone, 0), [-2, 2, 4])
    # To channel 1 it passes -1, which is negative, and the first 5, which is blocked.
    np.testing.assert_allclose(projection(backbone, 1), [0, 0, 0])


def test_rectifier_inside_a_convolution_counts():
    backbone = rectified_network(lambda x: x, last="relu")
    # (-1, 3) @ (1, 2) = 5 is positive; both weights pass: 1 * (1, 0, -3) + 2 * (-1, 1, 2).
    np.testing.assert_allclose(projection(backbone, 0), [-1, 2, 1])
    # (-1, 3) @ (5, -1) = -8 is not.
    np.testing.assert_allclose(projection(backbone, 1), [0, 0, 0])


def test_relu6_blocks_what_it_cuts_off():
    backbone = rectified_network(keras.layers.ReLU(6.0))
    # 3 times as bright, 9 stands before it.
    assert not projection(backbone, 0, 3 * PIXELS).any()


@pytest.mark.parametrize("name", ["swish", "gelu"])
def test_smooth_rectifier_keeps_its_slope_where_its_input_is_positive(name):
    backbone = rectified_network(keras.layers.Activation(name))
    before = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        value = keras.activations.get(name)(before)
    slope = tape.gradient(value, before).numpy()
    np.testing.assert_allclose(projection(backbone, 0), slope * np.array([-2, 2, 4]), rtol=1e-5)


def test_without_rectifiers_it_is_the_gradient():
    backbone = rectified_network(keras.layers.Activation("sigmoid"))
    with tf.GradientTape() as tape:
        images = tf.constant(PIXELS)
        tape.watch(images)
        value = backbone(images)[0, 0, 0, 1]
    expected = tape.gradient(value, images).numpy()[0, 0, 0]
    np.testing.assert_allclose(projection(backbone, 1), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "layer, expected",
    [
        (keras.layers.ReLU(), True),
        (keras.layers.LeakyReLU(), True),
        (keras.layers.PReLU(), True),
        (keras.layers.ELU(), True),
        (keras.layers.Activation("relu6"), True),
        (keras.layers.Activation("hard_swish"), True),
        (keras.layers.Activation("silu"), True),
        (keras.layers.Dense(1, activation="gelu"), True),
        (keras.layers.Dense(1), False),
        (keras.layers.Activation("hard_sigmoid"), False),
        (keras.layers.Add(), False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_rectifiers_are_known(layer, expected):
    assert is_rectifier(layer) == expected


def test_projection_changes_no_weight_and_does_not_depend_on_batches():
    backbone = residual_backbone()
    before = weights_of(backbone)
    places = [(0, 0), (3, 3), (1, 2)]
    whole = guided_projections(backbone, MANY_LARGER[:3], [0, 1, 2], places)
    parts = guided_projections(backbone, MANY_LARGER[:3], [0, 1, 2], places, 2)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert_same_weights(backbone, before)
