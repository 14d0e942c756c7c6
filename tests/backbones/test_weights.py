import h5py
import keras
import numpy as np
import pytest

from keras_transfer.backbones import Backbone
from tests.networks import mobilenet

NAME = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The same network's weights in Keras 3's two formats."""
    folder = tmp_path_factory.mktemp("weights")
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35
    )
    network.save_weights(folder / "network.weights.h5")
    network.save(folder / "network.keras")
    return folder, network


@pytest.mark.parametrize("file", ["network.weights.h5", "network.keras"])
def test_both_formats_of_keras_3_load(saved, file):
    folder, network = saved
    backbone = mobilenet(weights=folder / file)
    images = np.ones((1, 32, 32, 3), "float32")
    np.testing.assert_array_equal(backbone(images), network(images / 127.5 - 1.0))


@pytest.mark.parametrize("file", ["network.weights.h5", "network.keras"])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_file_of_another_width_names_the_layer_and_the_shapes(saved, file, alpha):
    with pytest.raises(ValueError, match=r"layer '\w+' expects \(.*\), the file contains \("):
        mobilenet(weights=saved[0] / file, alpha=alpha)


def test_file_of_another_network_is_told(saved):
    with pytest.raises(ValueError, match="does not fit resnet50: layer 'conv1_conv'"):
        Backbone("ResNet50", (32, 32, 3), weights=saved[0] / "network.weights.h5")


@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5", "x.keras"])
def test_damaged_file_is_told(saved, tmp_path, name):
    path = tmp_path / name
    path.write_bytes((saved[0] / "network.weights.h5").read_bytes()[:90_000])
    with pytest.raises(ValueError, match="not a readable weights file"):
        mobilenet(weights=path)


def test_absent_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no weights file"):
        mobilenet(weights=tmp_path / "nowhere.h5")


def test_absent_imagenet_weights_name_the_file_the_cache_and_the_way_out(monkeypatch):
    def no_network(fname, origin, **arguments):
        raise Exception(f"URL fetch failure on {origin}: None -- no route to host")

    for module in ("mobilenet_v2", "resnet"):
        monkeypatch.setattr(f"keras.src.applications.{module}.file_utils.get_file", no_network)
    with pytest.raises(FileNotFoundError) as caught:
        Backbone("MobileNetV2", (224, 224, 3), alpha=0.35)
    message = str(caught.value)
    assert NAME in message
    assert "models'" in message
    assert "weights='path/to/" in message
    assert caught.value.__cause__ is None
    assert "URL" not in message


def test_real_weights_load_from_their_path(real_data):
    path = real_data / "weights" / NAME
    backbone = mobilenet(weights=path)
    with h5py.File(path) as file:
        kernel = file["Conv1"]["Conv1"]["kernel:0"][()]
    np.testing.assert_array_equal(backbone.get_layer("Conv1").kernel, kernel)


def test_real_weights_with_a_classifier_load_without_it(real_data):
    arguments = {"input_shape": (32, 32, 3), "alpha": 0.25}
    folder = real_data / "weights"
    one = Backbone("MobileNet", weights=folder / "mobilenet_2_5_224_tf.h5", **arguments)
    two = Backbone("MobileNet", weights=folder / "mobilenet_2_5_224_tf_no_top.h5", **arguments)
    for left, right in zip(one.weights, two.weights, strict=True):
        np.testing.assert_array_equal(left, right)


def test_real_weights_of_another_width_are_told(real_data):
    with pytest.raises(
        ValueError, match=r"layer 'block_1_project' expects \[\(1, 1, 48, 16\)\]"
    ):
        mobilenet(weights=real_data / "weights" / NAME, alpha=0.5)


def test_imagenet_finds_the_file_in_keras_cache(real_data, tmp_path, monkeypatch):
    cached = tmp_path / "models" / NAME
    cached.parent.mkdir()
    cached.symlink_to(real_data / "weights" / NAME)
    # Keras reads $KERAS_HOME when it is imported.
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    backbone = Backbone("MobileNetV2", (224, 224, 3), alpha=0.35)
    by_path = Backbone("MobileNetV2", (224, 224, 3), weights=cached, alpha=0.35)
    for left, right in zip(backbone.weights, by_path.weights, strict=True):
        np.testing.assert_array_equal(left, right)
