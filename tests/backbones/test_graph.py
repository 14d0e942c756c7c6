import keras
import pytest

from keras_transfer.backbones import Backbone, graph, split
from tests.networks import residual_network

# The number of layers where a network can be cut, as counted by hand-checked traversal on
# Keras 3.15: (name, size, boundaries).
CUTS = [("ResNet50", 32, 38), ("MobileNetV2", 32, 73), ("DenseNet121", 32, 78),
        ("InceptionV3", 75, 28), ("ConvNeXtTiny", 32, 24)]  # fmt: skip


@pytest.mark.parametrize(("name", "size", "count"), CUTS)
def test_boundaries_of_applications(name, size, count):
    network = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(size, size, 3)
    )
    assert len(graph.boundaries(network)) == count


def test_every_boundary_cuts_and_nothing_else_does():
    network = residual_network()
    found = graph.boundaries(network)
    for operation in graph.forward_operations(network):
        if operation.name in found:
            stem, tail = split(network, operation.name)
            assert stem.output.shape == operation.output.shape
            assert tail.output.shape == network.output.shape
        else:
            with pytest.raises(ValueError, match="bypasses"):
                split(network, operation.name)


def test_cut_inside_a_block_names_the_nearest_boundaries():
    message = r"'down1' \(earlier\), 'add1' \(later\)"
    with pytest.raises(ValueError, match=message):
        split(residual_network(), "relu1")


def test_unknown_name_gives_the_closest():
    with pytest.raises(ValueError, match="Did you mean 'add1'"):
        split(residual_network(), "ad1")


def test_keras_own_error_for_a_bad_cut_does_not_say_where():
    # Why `split` checks first. Keras 3.15: "Output with path `` is not connected to `inputs`";
    # before it the model is made, and fails when it is called.
    network = residual_network()
    with pytest.raises(Exception) as caught:
        tail = keras.Model(network.get_layer("relu1").output, network.output)
        tail(keras.ops.ones((1, 8, 8, 4)))
    assert "relu1" not in str(caught.value).splitlines()[0]


STAGES = [
    ("MobileNetV2", 160, ["expanded_conv_project_BN", "block_2_add", "block_5_add",
                          "block_12_add", "out_relu"]),
    ("ResNet50", 224, ["conv1_relu", "conv2_block3_out", "conv3_block4_out",
                       "conv4_block6_out", "conv5_block3_out"]),
    ("VGG16", 64, ["block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3",
                   "block5_pool"]),
    pytest.param(
        "EfficientNetB0", 224, ["block1a_project_bn", "block2b_add", "block3b_add",
                                "block5c_add", "top_activation"], marks=pytest.mark.exhaustive,
    ),
    pytest.param(
        "DenseNet121", 64, ["conv1_relu", "conv2_block6_concat", "conv3_block12_concat",
                            "conv4_block24_concat", "relu"], marks=pytest.mark.exhaustive,
    ),
    ("InceptionV3", 75, ["activation_2", "activation_4", "mixed2", "mixed7", "mixed10"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "size", "ends"), STAGES)
def test_stages_end_where_the_resolution_changes(name, size, ends):
    backbone = Backbone(name, (size, size, 3), weights=None)
    assert [stage.boundary for stage in backbone.stages] == ends


def check_partition(backbone):
    names = [operation.name for operation in graph.forward_operations(backbone)]
    assert [name for stage in backbone.stages for name in stage.layers] == names
    for stage in backbone.stages:
        assert stage.boundary == stage.layers[-1]
        assert stage.boundary in backbone.boundaries
        assert any(layer.weights for layer in backbone.layers if layer.name in stage.layers)


def dense_network():
    inputs = keras.Input((8,))
    x = keras.layers.Dense(8, activation="relu", name="one")(inputs)
    x = keras.layers.Dense(8, name="two")(x)
    x = keras.layers.ReLU(name="two_relu")(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="three")(x))


def transformer():
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 4, strides=4, name="patches")(inputs)
    x = keras.layers.Reshape((16, 8), name="tokens")(x)
    for number in (1, 2, 3):
        y = keras.layers.MultiHeadAttention(2, 4, name=f"attention{number}", dropout=0.5)(x, x)
        x = keras.layers.Add(name=f"add{number}")([x, y])
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("network", "ends"),
    [
        (residual_network, ["conv1", "add1", "add2"]),
        (dense_network, ["one", "two_relu", "three"]),
        (transformer, ["add1", "add2", "add3"]),
    ],
)
def test_stages_of_own_networks(network, ends):
    backbone = Backbone.from_model(network())
    assert [stage.boundary for stage in backbone.stages] == ends
    check_partition(backbone)


@pytest.mark.parametrize(
    "name",
    [pytest.param("NASNetMobile", marks=pytest.mark.exhaustive), "MobileNetV3Small"],
)
def test_stages_hold_every_operation_once(name):
    check_partition(Backbone(name, (32, 32, 3), weights=None))
