"""Frozen networks from any file that OpenVINO reads."""

import keras
import numpy as np
import pytest

from keras_transfer import features, freezing, heads, models, serving, training
from keras_transfer.backbones import Backbone

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ],
        name="small",
    )


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "small"
    network.export(path, verbose=False)
    return path


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (20, 8, 8, 3)).astype("float32")


def test_a_saved_model_computes_the_same_features(saved, network, images):
    backbone = Backbone.from_openvino(saved)
    assert backbone.output_shape == (None, 4) and not backbone.can_train
    expected = network.predict(images, verbose=0)
    np.testing.assert_allclose(backbone.predict(images, verbose=0), expected, rtol=1e-4)
    twin = backbone.copy()
    np.testing.assert_allclose(twin.predict(images, verbose=0), expected, rtol=1e-4)
    assert twin.source.origin == "small"


def test_its_head_is_trained_cached_saved_and_loaded(saved, images, tmp_path):
    labels = np.arange(20) % 2
    images = images / 4 + 150 * labels[:, None, None, None].astype("float32")
    model = models.TransferModel(Backbone.from_openvino(saved), heads.SoftmaxHead(2))
    cache = features.FeatureCache(tmp_path / "cache")
    history = training.fine_tune(model, (images, labels), cache=cache, verbose=0)
    assert [phase.name for phase in history.plan.phases] == ["exact head"]
    found = model.predict(images, verbose=0)
    assert (found.argmax(axis=1) == labels).mean() > 0.9
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), found, atol=1e-6)


def test_whoever_unfreezes_it_or_exports_it_is_told(saved, tmp_path):
    model = models.TransferModel(Backbone.from_openvino(saved), heads.SoftmaxHead(2))
    for policy in (freezing.FreezeNone(), freezing.UnfreezeLast(1)):
        with pytest.raises(ValueError, match="OpenVINO runs this network, and cannot train it"):
            model.freeze_policy = policy
    for export in (
        lambda: serving.export(model, tmp_path),
        lambda: serving.export_file(model, tmp_path / "model.onnx"),
    ):
        with pytest.raises(ValueError, match="which an export cannot hold"):
            export()
    assert not any(tmp_path.iterdir())


def test_channels_before_rows_move_to_the_end(network, images, tmp_path):
    onnx = pytest.importorskip("onnx")
    weights = network.layers[0].get_weights()
    make = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [make("Conv", ["x", "w", "b"], ["c"]), make("Relu", ["c"], ["y"])],
        "small",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 4, 6, 6])],
        [
            onnx.numpy_helper.from_array(weights[0].transpose(3, 2, 0, 1), "w"),
            onnx.numpy_helper.from_array(weights[1], "b"),
        ],
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset]), tmp_path / "small.onnx")
    backbone = Backbone.from_openvino(tmp_path / "small.onnx", "tf")
    assert backbone.input_shape == (None, 8, 8, 3) and backbone.output_shape == (None, 6, 6, 4)
    expected = network.layers[0](images / 127.5 - 1)
    np.testing.assert_allclose(backbone(images), expected, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match=r"has the outputs \['y'\]: name one"):
        Backbone.from_openvino(tmp_path / "small.onnx", output="z")


def test_files_that_are_no_networks_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file or folder"):
        Backbone.from_openvino(tmp_path / "absent.onnx")
    (tmp_path / "wrong.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="OpenVINO cannot read"):
        Backbone.from_openvino(tmp_path / "wrong.onnx")
