import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.features import (
    Engine,
    OpenVINOEngine,
    TensorFlowEngine,
    engines,
    get_engine,
)
from tests.networks import residual_backbone

needs_openvino = pytest.mark.skipif(
    not OpenVINOEngine.is_available(), reason="openvino, of the extra `cpu`, is not installed"
)
IMAGES = np.random.default_rng(0).uniform(0, 255, (21, 64, 64, 3)).astype("float32")


def in_batches(images, size=16):
    return (images[start : start + size] for start in range(0, len(images), size))


@pytest.mark.parametrize("size", [1, 8, 16, 21])
@pytest.mark.parametrize(
    "engine", [TensorFlowEngine(), pytest.param(OpenVINOEngine(), marks=needs_openvino)]
)
def test_engine_computes_the_networks_output_in_order(engine, size):
    network = residual_backbone(size=64)
    batches = list(engine.compile(network)(in_batches(IMAGES, size)))
    assert [len(batch) for batch in batches] == [len(b) for b in in_batches(IMAGES, size)]
    expected = network.predict(IMAGES, verbose=0)
    difference = np.abs(np.concatenate(batches) - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()


@pytest.mark.optimized_graphs
@needs_openvino
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("MobileNet", {"alpha": 0.25}),
        # Its blocks are among those of MobileNetV3Small.
        pytest.param("MobileNetV2", {"alpha": 0.35}, marks=pytest.mark.exhaustive),
        ("MobileNetV3Small", {}),
        pytest.param("EfficientNetV2B0", {}, marks=pytest.mark.exhaustive),
    ],
)
def test_engines_agree(name, arguments):
    keras.utils.set_random_seed(0)
    assert_engines_agree(Backbone(name, input_shape=(64, 64, 3), weights=None, **arguments))


@needs_openvino
@pytest.mark.parametrize("preprocessing", ["caffe", "torch"])
def test_engines_agree_on_residual_blocks(preprocessing):
    assert_engines_agree(residual_backbone(preprocessing, size=64))


def assert_engines_agree(backbone):
    expected, found = (
        np.concatenate(list(engine.compile(backbone)(in_batches(IMAGES))))
        for engine in (TensorFlowEngine(), OpenVINOEngine())
    )
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@needs_openvino
def test_openvino_rejects_images_of_variable_size():
    backbone = Backbone("MobileNetV2", input_shape=(None, None, 3), weights=None, alpha=0.35)
    with pytest.raises(ValueError, match="images of a fixed size"):
        OpenVINOEngine().compile(backbone)


@needs_openvino
def test_openvino_rejects_a_network_that_it_cannot_convert():
    inputs = keras.Input((8, 8, 3))
    python = keras.layers.Lambda(
        lambda x: tf.ensure_shape(tf.numpy_function(np.sin, [x], "float32"), (None, 8, 8, 3))
    )
    network = keras.Model(inputs, python(inputs))
    with pytest.raises(ValueError, match="cannot convert"):
        OpenVINOEngine().compile(network)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_tensorflows(policy):
    assert OpenVINOEngine().supports(residual_backbone())
    keras.config.set_dtype_policy(policy)
    assert not OpenVINOEngine().supports(residual_backbone())


def test_auto_selects_openvino_without_an_accelerator(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    monkeypatch.setattr(OpenVINOEngine, "is_available", classmethod(lambda cls: True))
    assert isinstance(get_engine("auto"), OpenVINOEngine)
    monkeypatch.setattr(OpenVINOEngine, "is_available", classmethod(lambda cls: False))
    assert isinstance(get_engine("auto"), TensorFlowEngine)
    with pytest.raises(ImportError, match="pip install openvino"):
        get_engine("openvino")


@pytest.mark.parametrize("kind", ["GPU", "TPU"])
def test_auto_selects_tensorflow_with_an_accelerator(monkeypatch, kind):
    found = {kind: ["device"]}
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: found.get(kind, []))
    monkeypatch.setattr(OpenVINOEngine, "is_available", classmethod(lambda cls: True))
    assert isinstance(get_engine(), TensorFlowEngine)


@pytest.mark.parametrize(
    ("side", "numbers"), [(64, [256, 44]), (448, [64, 36])], ids=["small", "large"]
)
def test_a_gpu_computes_many_small_images_at_once_and_fewer_large_ones(
    monkeypatch, side, numbers
):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"])
    network = keras.Sequential([keras.Input((side, side, 3)), keras.layers.MaxPool2D(side)])
    given = []

    def noting(stem, specs):
        return lambda images: given.append(len(images)) or stem(images)

    monkeypatch.setattr(engines, "constant_function", noting)
    values = np.arange(sum(numbers))
    images = np.broadcast_to(values.reshape(-1, 1, 1, 1), (len(values), side, side, 3))
    found = list(TensorFlowEngine().compile(network)(in_batches(images, 32)))
    assert given == numbers
    assert [len(batch) for batch in found] == [len(b) for b in in_batches(values, 32)]
    np.testing.assert_array_equal(np.concatenate(found)[:, 0, 0, 0], values)


def test_custom_engine_is_returned_unchanged():
    class Own(TensorFlowEngine):
        name = "own"

    own = Own()
    assert get_engine(own) is own
    assert isinstance(own, Engine)


def test_unknown_engine_is_an_error():
    with pytest.raises(ValueError, match="`engine` must be"):
        get_engine("onnx")


SIGNAL_AFTER_OPENVINO = """
import gc, os, signal, sys, threading
import keras, numpy as np
from keras_transfer.features import engines

model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
kept = [engines.get_engine("openvino").compile(model)]
list(kept[0](iter([np.zeros((4, 8, 8, 3), "float32")])))
drop = threading.Thread(target=lambda: (kept.clear(), gc.collect()))
drop.start()
drop.join()
came = []
signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
os.kill(os.getpid(), signal.SIGTERM)
sys.exit(0 if came else 1)
"""


@needs_openvino
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_signal_is_handled_after_openvino_was_used():
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_AFTER_OPENVINO], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
