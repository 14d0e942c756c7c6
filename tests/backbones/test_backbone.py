import functools
import inspect

import keras
import numpy as np
import pytest

from keras_transfer._applications import APPLICATIONS
from keras_transfer.backbones import Backbone, list_backbones, split
from keras_transfer.backbones.preprocessing import adapt_weights
from tests.networks import residual_network

# A network of each preprocessing family, the smallest there is: (name, arguments, size).
FAMILIES = [
    ("MobileNetV2", {"alpha": 0.35}, 32),  # [-1, 1]
    ("VGG16", {}, 32),  # BGR, mean colour
    ("DenseNet121", {}, 32),  # mean and deviation
    # As in MobileNetV3Small, in the network.
    pytest.param("EfficientNetB0", {}, 32, marks=pytest.mark.exhaustive),
    pytest.param("ConvNeXtTiny", {}, 32, marks=pytest.mark.exhaustive),
    ("MobileNetV3Small", {"alpha": 0.75, "minimalistic": True}, 32),  # `Rescaling`
]


@functools.cache
def random_backbone(name, channels=3, **arguments):
    """A network that no test changes, the same for every number of channels."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    return Backbone(name, (32, 32, channels), weights=None, **arguments)


def pictures(size, channels=3, count=2):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, size, size, channels), dtype="uint8")


def own_preprocessing(name):
    """The `preprocess_input` that `keras.applications` keeps beside the network."""
    modules = [m for m in vars(keras.applications).values() if inspect.ismodule(m)]
    functions = [m.preprocess_input for m in modules if hasattr(m, name)]
    return functions[0] if functions else lambda images: images


def test_table_has_every_network_of_keras_applications():
    functions = [n for n, f in vars(keras.applications).items() if inspect.isfunction(f)]
    assert list_backbones() == sorted(functions)


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_table_names_the_arguments_that_the_function_takes(name):
    row = APPLICATIONS[name]
    assert set(row.arguments) <= set(inspect.signature(row.function).parameters)


@pytest.mark.parametrize(("name", "arguments", "size"), FAMILIES)
def test_output_equals_preprocessing_and_application_to_the_last_bit(
    name, arguments, size, tmp_path
):
    application = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(size, size, 3), **arguments
    )
    application.save_weights(tmp_path / "a.weights.h5")
    backbone = Backbone(
        name, input_shape=(size, size, 3), weights=tmp_path / "a.weights.h5", **arguments
    )
    images = pictures(size)
    prepared = own_preprocessing(name)(images.astype("float32"))
    expected = application(prepared).numpy()
    np.testing.assert_array_equal(backbone(images), expected)
    np.testing.assert_array_equal(backbone(images.astype("float32")), expected)
    assert expected.std() > 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        FAMILIES[0][:2],
        ("EfficientNetB0", {}),  # a `Normalization` layer
        ("ConvNeXtTiny", {}),  # additions that are no layers
        FAMILIES[5][:2],
    ],
)
def test_saved_and_reloaded_backbone_is_equal(name, arguments, tmp_path):
    backbone = random_backbone(name, **arguments)
    backbone.save(tmp_path / "b.keras")
    reloaded = keras.saving.load_model(tmp_path / "b.keras")
    images = pictures(32)
    np.testing.assert_array_equal(backbone(images), reloaded(images))
    assert reloaded.stages == backbone.stages
    assert reloaded.boundaries == backbone.boundaries
    assert reloaded.application == name


@pytest.mark.parametrize("name", ["EfficientNetB0", "ConvNeXtTiny"])
def test_grey_input_keeps_the_pretrained_network(name):
    rgb, grey = random_backbone(name), random_backbone(name, channels=1)
    images = pictures(32, channels=1)
    alike = np.corrcoef(np.ravel(grey(images)), np.ravel(rgb(np.repeat(images, 3, axis=-1))))[
        0, 1
    ]
    assert alike > 0.98  # the mean colours differ a little from each other


@pytest.mark.parametrize("channels", [1, 6, 9])
def test_picture_alike_in_all_channels_gives_what_it_gave_before(channels):
    network = residual_network()
    images = pictures(16, channels=1).astype("float32")
    expected = network(np.repeat(images, 3, axis=-1))
    kernel = network.get_layer("conv1").kernel.numpy()
    other = residual_network(channels=channels)
    adapt_weights(dict(zip(network.layers, other.layers, strict=True)), channels)
    got = other(np.repeat(images, channels, axis=-1))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)
    # One channel: R + G + B. Six: R, G, B, R, G, B, each times 3 / 6.
    adapted = other.get_layer("conv1").kernel.numpy()
    np.testing.assert_allclose(adapted.sum(axis=2), kernel.sum(axis=2), rtol=1e-5, atol=1e-6)


def test_four_channels_repeat_the_colours_and_are_rescaled():
    keras.utils.set_random_seed(0)
    rgb = Backbone("MobileNetV2", (32, 32, 3), weights=None, alpha=0.35)
    keras.utils.set_random_seed(0)
    four = Backbone("MobileNetV2", (32, 32, 4), weights=None, alpha=0.35)
    kernel = rgb.get_layer("Conv1").kernel.numpy()
    expected = 0.75 * kernel[:, :, [0, 1, 2, 0]]  # 3 / 4 = 0.75
    np.testing.assert_allclose(four.get_layer("Conv1").kernel, expected, rtol=1e-6)


def test_a_first_layer_that_cannot_be_adapted_is_told():
    inputs = keras.Input((4, 4, 3))
    original = keras.layers.Dense(2, name="per_pixel")
    original(inputs)
    copy = keras.layers.Dense(2, name="per_pixel")
    copy(keras.Input((4, 4, 1)))
    with pytest.raises(ValueError, match="'per_pixel' to 1 channels"):
        adapt_weights({original: copy}, 1)


def test_open_input_size_takes_any_picture():
    backbone = Backbone("MobileNetV2", (None, None, 3), weights=None, alpha=0.35)
    assert backbone(pictures(64)).shape == (2, 2, 2, 1280)
    assert backbone(pictures(96)).shape == (2, 3, 3, 1280)
    assert len(backbone.stages) == 5


def test_names_do_not_depend_on_what_was_built_before():
    first = Backbone("Xception", (71, 71, 3), weights=None)
    second = Backbone("Xception", (71, 71, 3), weights=None)
    assert [v.path for v in first.variables] == [v.path for v in second.variables]
    assert len({v.path for v in first.variables}) == len(first.variables)


def test_intermediate_features_are_reached_by_name():
    backbone = Backbone("MobileNetV2", (32, 32, 3), weights=None, alpha=0.35)
    features = keras.Model(backbone.input, backbone.get_layer("block_3_expand").output)
    assert features(pictures(32)).shape == (2, 8, 8, 48)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"application": "MobilenetV2"}, "Did you mean 'MobileNetV2'"),
        ({"application": "MobileNetV2", "alfa": 1.0}, "it takes alpha"),
        ({"application": "MobileNetV2", "alpha": 0}, "`alpha` must be positive"),
        ({"application": "ResNet50", "alpha": 1.0}, "it takes no further arguments"),
        ({"application": "MobileNetV2", "include_top": True}, "attaches heads"),
        ({"application": "ConvNeXtTiny", "include_preprocessing": False}, "takes raw images"),
        ({"application": "Xception", "input_shape": (64, 64, 3)}, "at least 71 pixels"),
        ({"application": "MobileNetV2", "input_shape": (64, 64)}, "height, width, channels"),
        ({"application": "MobileNetV2", "input_shape": (64, 64, 0)}, "height, width, channels"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        Backbone(weights=None, **arguments)


def test_channels_first_is_told():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels_last"):
            Backbone("MobileNetV2", weights=None)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_any_functional_model_is_a_backbone():
    network = residual_network()
    backbone = Backbone.from_model(network)
    images = pictures(16)
    np.testing.assert_array_equal(backbone(images), network(images.astype("float32")))
    network.get_layer("conv1").trainable = False
    assert backbone.get_layer("conv1").trainable  # a copy


def test_nested_models_are_dissolved():
    base = residual_network()
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    nested = keras.Model(inputs, base(x, training=False))
    backbone = Backbone.from_model(nested)
    assert not any(isinstance(layer, keras.Model) for layer in backbone.layers)
    images = pictures(16)
    np.testing.assert_array_equal(backbone(images), nested(images))
    assert backbone.get_layer("bn1") is not base.get_layer("bn1")


def test_sequential_model_is_a_backbone():
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    images = pictures(8)
    np.testing.assert_array_equal(Backbone.from_model(network)(images), network(images))


def test_from_model_preprocesses_as_told():
    network = residual_network()
    images = pictures(16)
    backbone = Backbone.from_model(network, preprocessing="tf")
    prepared = keras.applications.imagenet_utils.preprocess_input(
        images.astype("float32"), mode="tf"
    )
    np.testing.assert_array_equal(backbone(images), network(prepared))


@pytest.mark.parametrize("copy", [Backbone.copy, Backbone.from_model])
def test_copy_is_equal_and_shares_nothing(copy):
    backbone = Backbone.from_model(residual_network(), preprocessing="tf")
    backbone.get_layer("conv1").trainable = False
    other = copy(backbone)
    images = pictures(16)
    np.testing.assert_array_equal(other(images), backbone(images))
    assert not other.get_layer("conv1").trainable
    other.get_layer("conv1").trainable = True
    assert not backbone.get_layer("conv1").trainable
    assert other.stages == backbone.stages


def subclassed():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    return Subclassed()


def two_outputs():
    one = keras.Input((4,))
    return keras.Model(one, [keras.layers.Dense(2)(one), keras.layers.Dense(3)(one)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (subclassed, "a subclassed model"),
        (two_outputs, "one output tensor"),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), "no input shape yet"),
    ],
)
def test_models_without_one_path_are_told(make, message):
    with pytest.raises(ValueError, match=message):
        Backbone.from_model(make())


def test_layers_that_cannot_be_copied_are_told():
    class NoConfig(keras.layers.Layer):
        def __init__(self, size):
            super().__init__()
            self.size = size

        def get_config(self):
            raise NotImplementedError("this layer has no config")

        def call(self, x):
            return x

    inputs = keras.Input((4, 4, 3))
    with pytest.raises(ValueError, match="Cannot copy 'no_config'"):
        Backbone.from_model(keras.Model(inputs, NoConfig(2)(inputs)))


def test_unknown_preprocessing_is_told():
    with pytest.raises(ValueError, match="`mode` must be one of"):
        Backbone.from_model(residual_network(), preprocessing="imagenet")


def test_mixed_precision_preprocesses_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    backbone = Backbone("MobileNetV2", (32, 32, 3), weights=None, alpha=0.35)
    assert backbone.get_layer("preprocessing").compute_dtype == "float32"
    assert backbone.get_layer("Conv1").compute_dtype == "float16"


@pytest.mark.parametrize("at", ["preprocessing", "conv1", "add1", "add2"])
def test_stem_and_tail_compose_to_the_model(at):
    backbone = Backbone.from_model(residual_network())
    stem, tail = split(backbone, at)
    images = pictures(16)
    np.testing.assert_array_equal(tail(stem(images)), backbone(images))
    assert {id(v) for v in stem.variables + tail.variables} == {
        id(v) for v in backbone.variables
    }


def test_layers_with_the_names_of_the_librarys_own_are_renamed():
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255, name="preprocessing")(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, name="images_1")(x)
    network = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="images")(x))
    backbone = Backbone.from_model(network)
    names = ["images", "preprocessing", "preprocessing_1", "images_1", "images_2"]
    assert [layer.name for layer in backbone.layers] == names
    images = pictures(32)
    np.testing.assert_array_equal(backbone(images), network(images))


def test_features_of_a_backbone_with_preprocessing_are_a_backbone_of_raw_images():
    inner = Backbone.from_model(residual_network(), "tf")
    features = keras.Model(inner.input, inner.output)
    outer = Backbone.from_model(features)
    assert outer.takes_raw_images
    images = pictures(16)
    np.testing.assert_array_equal(outer(images), inner(images))
