"""The digests that the keys of a feature cache consist of."""

import hashlib
import inspect
import json
import os

import keras
import numpy as np

# Version of the file format; part of every key.
_FORMAT = 2


def stem_digest(stem):
    """A digest of a network's graph, its weights and the code of its custom layers."""
    # The config of a subclass, such as `Backbone`, does not contain the graph.
    config = keras.Model(stem.inputs, stem.outputs).get_config()
    graph = {key: config[key] for key in ("layers", "input_layers", "output_layers")}
    digest = hashlib.sha256(_as_json(_canonical(graph, {each.name for each in stem.inputs})))
    for layer in stem.layers:
        digest.update(_custom_code(type(layer)))
    for weight in stem.weights:
        digest.update(_bytes(keras.ops.convert_to_numpy(weight)))
    return digest.hexdigest()


def entry_key(stem, source, dtype, engine):
    """The key of a cache entry: a digest of everything that its features depend on."""
    augmentation = source.augmentation and source.augmentation.fingerprint
    parts = [_FORMAT, stem, source.fingerprint, augmentation, dtype, engine]
    return hashlib.sha256(_as_json(parts)).hexdigest()[:32]


def arrays_digest(arrays):
    """A digest of the contents, shapes and dtypes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(_bytes(array))
    return digest.hexdigest()


def _bytes(array):
    # As uint8, since bfloat16 does not support the buffer protocol.
    return np.ascontiguousarray(array).reshape(-1).view("uint8").data


def _as_json(value):
    return json.dumps(value, sort_keys=True, default=str).encode()


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


def _custom_code(layer_type):
    """The source code of a custom layer, which may change while its config does not."""
    if layer_type.__module__.split(".")[0] in ("keras", "keras_transfer"):
        return b""
    try:
        return inspect.getsource(layer_type).encode()
    except (OSError, TypeError):  # defined in an interactive session
        return os.urandom(16)
