import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.explanations.guided_backpropagation import guided_projections, is_rectifier
from tests.explanations.networks_to_explain import assert_same_weights, weights_of
from tests.networks import residual_backbone

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


def projection(backbone, channel, pictures=PIXELS):
    """At the first position; what the others get is checked to be nothing."""
    found = guided_projections(backbone, pictures, "second", [channel], [(0, 0)])
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
        pictures = tf.constant(PIXELS)
        tape.watch(pictures)
        value = backbone(pictures)[0, 0, 0, 1]
    expected = tape.gradient(value, pictures).numpy()[0, 0, 0]
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


def test_network_stays_as_it_is_and_batches_do_not_matter():
    backbone = residual_backbone()
    before = weights_of(backbone)
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
    places = [(0, 0), (3, 3), (1, 2)]
    whole = guided_projections(backbone, pictures, "add2", [0, 1, 2], places)
    parts = guided_projections(backbone, pictures, "add2", [0, 1, 2], places, batch_size=2)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert_same_weights(backbone, before)
