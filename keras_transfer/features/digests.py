"""The digests that the keys of a feature cache consist of."""

import functools
import hashlib
import importlib.metadata
import json
import pathlib
import tempfile

import keras
import tensorflow as tf

from keras_transfer.features.engines import TensorFlowEngine
from keras_transfer.features.state_digest import (
    StateDigest,
    UnknownStateError,
    bytes_of,
    digest_of,
)
from keras_transfer.version import __version__

# Version of the file format; part of every key.
_FORMAT = 3
_LIBRARIES = ("keras-hub", "numpy", "openvino", "pillow")


def stem_digest(stem):
    """A digest of a network's graph, its weights, and the code and state of what is custom.

    None if they cannot be known, for example if a custom layer calls compiled code.
    """
    digest = StateDigest()
    try:
        _add_network(digest, stem)
    # Keras raises the others for layers and functions that it cannot serialize.
    except (UnknownStateError, NotImplementedError, TypeError, RecursionError):
        return None
    return digest.hexdigest()


def _add_network(digest, stem):
    digest.add(_graph(stem))
    for layer in stem._flatten_layers(include_self=False):
        digest.add_users_part(layer)
        if hasattr(layer, "save_assets"):
            digest.add(_assets(layer))
        if isinstance(layer, keras.Model) and getattr(layer, "inputs", None):
            digest.add(_graph(layer))  # the config of a subclass need not contain it
            _add_operations(digest, layer)
    _add_operations(digest, stem)
    digest.add(list(stem.weights))


def _assets(layer):
    """The vocabulary of a layer, as Keras saves it: a list of names and contents."""
    with tempfile.TemporaryDirectory() as folder:
        layer.save_assets(folder)
        files = sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())
        return [[path.name, path.read_bytes().hex()] for path in files]


def _add_operations(digest, network):
    for operation in getattr(network, "operations", ()):
        if not isinstance(operation, keras.layers.Layer):
            digest.add_users_part(operation)


def _graph(network):
    """The layers of a network and their connections, as JSON holds them."""
    # The config of a subclass, such as `Backbone`, does not contain the graph.
    config = keras.Model(network.inputs, network.outputs, name="network").get_config()
    graph = {key: config[key] for key in ("layers", "input_layers", "output_layers")}
    return _canonical(graph, {each.name for each in network.inputs})


def entry_key(stem, source, num_classes, dtype, engine):
    """The key of a cache entry: a digest of everything that its features depend on.

    Raises:
        UnknownStateError: if the code of the engine or the augmentation cannot be known.
    """
    augmentation = source.augmentation
    if augmentation is not None:
        augmentation = [augmentation.fingerprint, digest_of(type(augmentation)), num_classes]
    # The features of other engines have been compared with those of TensorFlow.
    code = digest_of(type(engine)) if isinstance(engine, TensorFlowEngine) else ""
    parts = [_FORMAT, stem, source.fingerprint, augmentation, dtype, engine.name, code]
    parts.append(_surroundings())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _surroundings():
    """The versions of the libraries, and settings that hold for all networks."""
    return [
        [__version__, keras.__version__, tf.__version__, *map(_version_of, _LIBRARIES)],
        [keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()],
        tf.config.experimental.tensor_float_32_execution_enabled(),
    ]


@functools.cache
def _version_of(library):
    """The version of a library, whether it is loaded or not; "" if it is absent."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def arrays_digest(arrays):
    """A digest of the contents, shapes and dtypes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(bytes_of(array))
    return digest.hexdigest()


def _canonical(config, input_names):
    """A config without `trainable`, which features do not depend on, and without input names.

    Keras numbers unnamed inputs through the whole process.
    """
    if isinstance(config, dict):
        return {
            key: _canonical(value, input_names)
            for key, value in config.items()
            if key != "trainable"
        }
    if isinstance(config, (list, tuple)):
        return [_canonical(value, input_names) for value in config]
    return "input" if isinstance(config, str) and config in input_names else config
