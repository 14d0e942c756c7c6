"""What a cache's key is made of."""

import hashlib
import inspect
import json
import os

import keras
import numpy as np

# Of the files' layout; another number, another key.
FORMAT = 1


def stem_digest(stem):
    """A string that changes when a network's graph, its weights or its own layers' code do.

    Args:
        stem: a functional `keras.Model`.
    """
    # A subclass, such as a `Backbone`, tells its graph in another way.
    config = keras.Model(stem.inputs, stem.outputs).get_config()
    graph = {key: config[key] for key in ("layers", "input_layers", "output_layers")}
    inputs = {tensor.name for tensor in stem.inputs}
    digest = hashlib.sha256(_as_json(_without_names(_without_flags(graph), inputs)))
    for layer in stem.layers:
        digest.update(_own_code(type(layer)))
    for weight in stem.weights:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(values.reshape(-1).view("uint8").data)  # bfloat16 has no buffer
    return digest.hexdigest()


def entry_key(stem, source, dtype, engine):
    """The name of a cache entry: a digest of all that its features follow from.

    Args:
        stem: the `stem_digest` of the network.
        source: an `ImageSource`.
        dtype: of the features, as kept.
        engine: the name of the engine.
    """
    augmentation = source.augmentation and source.augmentation.fingerprint
    parts = [FORMAT, stem, source.fingerprint, augmentation, dtype, engine]
    return hashlib.sha256(_as_json(parts)).hexdigest()[:32]


def arrays_digest(arrays):
    """A string that changes when the content, the shape or the type of an array does."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view("uint8").data)
    return digest.hexdigest()


def _as_json(value):
    return json.dumps(value, sort_keys=True, default=str).encode()


def _without_flags(config):
    """A config without what says how a layer is trained: the features do not depend on it."""
    if isinstance(config, dict):
        return {
            key: _without_flags(value) for key, value in config.items() if key != "trainable"
        }
    if isinstance(config, (list, tuple)):
        return [_without_flags(value) for value in config]
    return config


def _without_names(config, names):
    """A config without some names: Keras numbers inputs through the whole process."""
    if isinstance(config, dict):
        return {key: _without_names(value, names) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_without_names(value, names) for value in config]
    return "input" if isinstance(config, str) and config in names else config


def _own_code(layer_type):
    """The source of a class that came with neither Keras nor this library, where there is one.

    Its config may stay the same while what it computes changes.
    """
    if layer_type.__module__.split(".")[0] in ("keras", "keras_transfer"):
        return b""
    try:
        return inspect.getsource(layer_type).encode()
    except (OSError, TypeError):  # typed into a console
        return os.urandom(16)
