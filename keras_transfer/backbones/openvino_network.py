"""Networks that OpenVINO runs: frozen feature extractors from any file that it reads."""

import functools
import os
import pathlib
import tempfile
import textwrap
import types
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._python_functions import weakly
from keras_transfer._text import reason_of

_LENGTH_BYTES = 8


@keras.saving.register_keras_serializable(package="keras_transfer")
class OpenVINONetwork(keras.layers.Layer):
    """A network that OpenVINO runs on the CPU. It cannot train.

    The network itself is a weight of the layer, bytes, so that a saved model holds it.
    `Backbone.from_openvino` makes it.

    Args:
        num_bytes: the size of the network.
        feature_shape: the shape of the output without the batch.
        channels_first: whether the network has the channels of images before their rows; the
            layer has them last.

    Input shape: that of the network.
    Output shape: `(batch, *feature_shape)`.
    """

    # A random twin keeps it.
    holds_statistics = True
    cannot_train = (
        "OpenVINO runs this network, and cannot train it: use `freezing.FreezeAll()` "
        "(--unfreeze 0), or a network of Keras such as `Backbone.from_onnx` makes."
    )

    def __init__(
        self,
        num_bytes: int,
        feature_shape: Sequence[int],
        channels_first: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_bytes, self.channels_first = num_bytes, channels_first
        self.feature_shape = list(feature_shape)
        # XLA does not compile a call into another library.
        self.supports_jit = False
        self._runtime = types.SimpleNamespace(compiled=None)

    def build(self, input_shape):
        self.network = self.add_weight(
            shape=(self.num_bytes,), dtype="uint8", initializer="zeros", trainable=False,
            name="network",
        )  # fmt: skip

    def call(self, inputs):
        given = tf.cast(inputs, "float32")
        found = tf.numpy_function(weakly(self._infer), [given], "float32")
        return tf.ensure_shape(found, (None, *self.feature_shape))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.feature_shape)

    def _infer(self, inputs):
        if self._runtime.compiled is None:
            network = unpacked(np.asarray(self.network).tobytes())
            options = {"INFERENCE_PRECISION_HINT": "f32"}
            self._runtime.compiled = openvino_core().compile_model(network, "CPU", options)
        compiled = self._runtime.compiled
        if self.channels_first:
            inputs = np.moveaxis(inputs, -1, 1)
        batch = compiled.input(0).partial_shape[0]
        size = len(inputs) if batch.is_dynamic else batch.get_length()
        rows = [inputs[start : start + size] for start in range(0, len(inputs), max(size, 1))]
        found = [np.array(compiled([_filled(part, size)])[0])[: len(part)] for part in rows]
        if not found:
            return np.zeros((0, *self.feature_shape), "float32")
        features = np.concatenate(found).astype("float32")
        return np.moveaxis(features, 1, -1) if self._moves_output else features

    @property
    def _moves_output(self):
        return self.channels_first and len(self.feature_shape) == 3

    def get_config(self):
        return {
            **super().get_config(), "num_bytes": self.num_bytes,
            "feature_shape": self.feature_shape, "channels_first": self.channels_first,
        }  # fmt: skip


def read_openvino(path: str | os.PathLike, output: str | None = None) -> keras.Model:
    """A model of one `OpenVINONetwork`, from a file or folder that OpenVINO reads."""
    if not pathlib.Path(path).exists():
        raise FileNotFoundError(f"No such file or folder: '{path}'")
    core = openvino_core()
    try:
        network = core.read_model(os.fspath(path))
    except Exception as error:  # OpenVINO raises exceptions of many undocumented types
        raise ValueError(
            f"OpenVINO cannot read '{path}': name an ONNX file or the folder of a SavedModel. "
            f"It says: {textwrap.shorten(reason_of(error), 250, placeholder=' ...')}"
        ) from error
    network = _with_one_output(network, output, path)
    shape = _input_shape(network, path)
    channels_first = len(shape) == 3 and shape[0] in (1, 3) and shape[2] not in (1, 3)
    packed, features = _measured(network, shape)
    if channels_first:
        shape = (*shape[1:], shape[0])
        features = (*features[1:], features[0]) if len(features) == 3 else features
    inputs = keras.Input(shape, name="images" if len(shape) == 3 else "inputs")
    layer = OpenVINONetwork(len(packed), features, channels_first, name="network")
    outputs = layer(inputs)
    layer.network.assign(np.frombuffer(packed, "uint8"))
    return keras.Model(inputs, outputs, name=_name_of(path))


def _with_one_output(network, output, path):
    import openvino

    named = {name: one for one in network.outputs for name in one.get_names()}
    if output is None and len(network.outputs) == 1:
        return network
    if output not in named:
        raise ValueError(
            f"'{path}' has the outputs {sorted(named)}: name one with `output`. "
            f"Received: output={output!r}"
        )
    return openvino.Model([named[output]], network.get_parameters())


def _input_shape(network, path):
    """The shape of the only input without the batch."""
    shapes = [one.partial_shape for one in network.inputs]
    open_sizes = any(size.is_dynamic for size in list(shapes[0])[1:]) if shapes else True
    if len(shapes) != 1 or open_sizes:
        raise ValueError(
            f"A frozen network has one input of a fixed size, but for the batch. Received: "
            f"'{path}' with inputs of the shapes {list(map(str, shapes))}"
        )
    return tuple(size.get_length() for size in list(shapes[0])[1:])


def _measured(network, shape):
    """The bytes of a network, and the shape of its features; for any batch if that works."""
    two = np.zeros((2, *shape), "float32")
    fixed = network.clone()
    try:
        network.reshape([-1, *shape])
        found = openvino_core().compile_model(network, "CPU")([two])[0]
        is_for_any = len(found) == 2
    except RuntimeError:  # a size of a batch stands within the network
        is_for_any = False
    if is_for_any:
        return _packed(network), tuple(found.shape[1:])
    fixed.reshape([1, *shape])
    found = openvino_core().compile_model(fixed, "CPU")([two[:1]])[0]
    return _packed(fixed), tuple(found.shape[1:])


def _packed(network):
    """A network as bytes: the length of its graph, the graph, and its weights."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        graph = pathlib.Path(folder) / "network.xml"
        openvino.save_model(network, graph, compress_to_fp16=False)
        parts = graph.read_bytes(), graph.with_suffix(".bin").read_bytes()
    return len(parts[0]).to_bytes(_LENGTH_BYTES, "little") + b"".join(parts)


def unpacked(packed):
    """The network of `_packed`."""
    end = _LENGTH_BYTES + int.from_bytes(packed[:_LENGTH_BYTES], "little")
    return openvino_core().read_model(packed[_LENGTH_BYTES:end], packed[end:])


def _filled(rows, size):
    """Rows followed by zeros up to a number."""
    missing = np.zeros((size - len(rows), *rows.shape[1:]), rows.dtype)
    return np.concatenate([rows, missing]) if len(missing) else np.ascontiguousarray(rows)


def _name_of(path):
    stem = pathlib.PurePath(path).stem
    return "".join(one if one.isalnum() else "_" for one in stem) or "network"


@functools.cache
def openvino_core():
    """OpenVINO, which stays loaded.

    It gives the thread that loads it a stack for signals, and frees it with the last object
    that uses it. If another thread drops that object, the next signal (Ctrl-C, SIGTERM) finds
    no stack, and the process ends with a segmentation fault.
    """
    try:
        import openvino
    except ImportError as error:
        raise ImportError(
            f"OpenVINO runs this network: pip install openvino. Received: {error}"
        ) from error
    return openvino.Core()
