"""Pretrained weights from a file or from Keras' cache."""

import io
import os
import pathlib
import re
import tempfile
import zipfile

import h5py
import keras
import numpy as np

from keras_transfer._text import reason_of
from keras_transfer.backbones import graph

_MEMBER = "model.weights.h5"
# Weights hardly compress: a higher ratio means a decompression bomb, or a dataset that was
# declared and never written.
_LARGEST_RATIO = 100
# Floats, integers and booleans; h5py reads bfloat16 as bytes.
_NUMBERS = "fiubV"


def build_with_imagenet(application, **arguments):
    """Builds a network with its ImageNet weights, through Keras' own cache and download."""
    try:
        return application.function(include_top=False, weights="imagenet", **arguments)
    except Exception as error:  # `get_file` raises a bare `Exception`
        failed = re.search(r"URL fetch failure on (\S+?):\s", f"{error} ")
        if failed is None:
            raise
        name = failed.group(1).rsplit("/", 1)[-1]
        raise FileNotFoundError(
            f"The ImageNet weights of {application.name} could not be downloaded and are not "
            f"in Keras' cache. Put the file '{name}' into '{cache_directory()}', or pass its "
            f"path: Backbone({application.name!r}, weights='path/to/{name}') "
            f"(--weights path/to/{name}). "
            "Received: weights='imagenet'"
        ) from None


def cache_directory():
    """Keras' folder of weights files: `models` in `$KERAS_HOME` or `~/.keras`."""
    home = os.environ.get("KERAS_HOME", os.path.join(os.path.expanduser("~"), ".keras"))
    return os.path.join(home, "models")


def load_weights(model, path):
    """Loads a weights file into a network without its classifier.

    It reads `.h5` as of `keras.applications` (layers in the order of the graph; a classifier at
    the end is ignored), `.weights.h5` and `.keras`. It converts numbers of another type. It
    reads only the weights of a `.keras` file: it builds none of its layers and runs no code in
    it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file has another format, does not fit, or contains NaN or infinity.
            The message names the first layer concerned, and both shapes.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no weights file '{path}'. `weights` is 'imagenet', a path to an '.h5', "
            f"'.weights.h5' or '.keras' file, or None. Received: weights={str(path)!r}"
        )
    if not path.name.endswith((".h5", ".keras")):
        raise ValueError(
            "The name of a weights file must end in '.h5', '.weights.h5' or '.keras', which "
            f"determines its format. Received: weights={str(path)!r}"
        )
    saved = _legacy_layers(path) if path.suffix == ".h5" else None
    if saved is None:
        _load_keras_3(model, path)
    else:
        _load_legacy(model, saved, path)
    check_finite(model, f"The weights file '{path}'")


def check_finite(model, source):
    """Raises `ValueError` with the name of the layer if a weight is NaN or infinite."""
    for layer in model.layers:
        for weight in layer.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                raise ValueError(
                    f"{source} contains NaN or infinity for layer '{layer.name}', in "
                    f"'{weight.name}': it is corrupt, or from a training that diverged."
                )


def _legacy_layers(path):
    """`[(layer name, [array])]` of a file in the format of Keras 1 and 2, or None."""
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            if "layer_names" not in root.attrs:
                return None
            layers = [(_text(name), root[_text(name)]) for name in root.attrs["layer_names"]]
            keys = {
                name: list(map(_text, group.attrs["weight_names"])) for name, group in layers
            }
            return [
                (name, [_values(group[key], file) for key in keys[name]])
                for name, group in layers
                if keys[name]
            ]
    # h5py may raise anything at a corrupt file.
    except Exception as error:
        raise ValueError(_unreadable(path, error)) from error


def _values(dataset, file):
    """The array of a dataset, if the file itself contains its numbers."""
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"'{dataset.name}' is not an array")
    _check_numbers(dataset)
    is_elsewhere = dataset.file != file or dataset.external or dataset.is_virtual
    if is_elsewhere or dataset.nbytes > _LARGEST_RATIO * file.id.get_filesize():
        raise ValueError(f"it does not contain the numbers of '{dataset.name}'")
    return np.asarray(dataset)


def _check_numbers(dataset):
    if dataset.dtype.kind not in _NUMBERS:
        raise ValueError(f"'{dataset.name}' contains {dataset.dtype} instead of real numbers")


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def _unreadable(path, error):
    return (
        f"'{path}' is not a readable weights file; it may be corrupt or incompletely "
        f"downloaded ({reason_of(error)}). Received: weights={str(path)!r}"
    )


def _load_legacy(model, saved, path):
    expected = [
        (layer, [*layer.trainable_weights, *layer.non_trainable_weights])
        for layer in model.layers
        if layer.weights
    ]
    for (layer, weights), (name, values) in zip(expected, saved, strict=False):
        ours, theirs = [tuple(w.shape) for w in weights], [value.shape for value in values]
        if ours != theirs:
            raise ValueError(_misfit(model, path, layer.name, ours, theirs, f" ('{name}')"))
    if len(saved) < len(expected):
        layer, weights = expected[len(saved)]
        ours = [tuple(w.shape) for w in weights]
        raise ValueError(_misfit(model, path, layer.name, ours, "nothing", ""))
    for (layer, weights), (_, values) in zip(expected, saved, strict=False):
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _load_keras_3(model, path):
    # First, since Keras would load the layers that fit and warn about the others.
    layer, ours, theirs = _first_difference(model, _shapes_in(path))
    if layer is not None:
        raise ValueError(_misfit(model, path, layer, ours, theirs, ""))
    if not path.name.endswith((".weights.h5", ".keras")):
        raise ValueError(
            "Keras 3 wrote this file, and reads it only if its name ends in '.weights.h5': "
            f"rename the file. Received: weights={str(path)!r}"
        )
    try:
        model.load_weights(path)
    except Exception as error:
        raise ValueError(_unreadable(path, error)) from error


def _first_difference(model, theirs):
    """`(layer, expected shape, shape in the file)` of the first weight that differs."""
    with tempfile.TemporaryDirectory() as directory:
        reference = os.path.join(directory, "reference.weights.h5")
        model.save_weights(reference)
        ours = _shapes_in(reference)
    names = _names_by_saved_key(model)
    for key, shape in sorted(ours.items(), key=lambda item: _saved_order(item[0], names)):
        if theirs.get(key) != shape:
            layer = names.get("/".join(key.split("/")[:2]), key)
            return layer, shape, theirs.get(key, "nothing")
    return None, None, None


def _shapes_in(path):
    """The shapes in a `.weights.h5` file or a `.keras` archive, by the key of the weight."""
    shapes = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            _check_numbers(item)
            shapes[name] = item.shape

    try:
        if str(path).endswith(".keras"):
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(_unpacked(archive))
        else:
            source = path
        with h5py.File(source, "r") as file:
            file.visititems(note)
    # zipfile, the decompressor and h5py may raise anything at a corrupt file.
    except Exception as error:
        raise ValueError(_unreadable(path, error)) from error
    return shapes


def _unpacked(archive):
    member = archive.getinfo(_MEMBER)
    if member.file_size > _LARGEST_RATIO * member.compress_size:
        raise ValueError(
            f"{member.compress_size} bytes unpack to {member.file_size}, unlike weights"
        )
    return archive.read(member)


def _names_by_saved_key(model):
    """From the keys of Keras 3 files (class and number of a layer) to layer names."""
    counts, names = {}, {}
    for layer in model.layers:
        kind = graph.snake_case(type(layer).__name__)
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        names[f"layers/{kind}_{number}" if number else f"layers/{kind}"] = layer.name
    return names


def _saved_order(key, names):
    order = list(names)
    layer = "/".join(key.split("/")[:2])
    return (order.index(layer) if layer in names else len(order), key)


def _misfit(model, path, layer, ours, theirs, their_name):
    return (
        f"The weights file does not fit {model.name}: layer '{layer}' expects {ours}, the file "
        f"contains {theirs}{their_name}. Is it for another network, another width "
        f"(`alpha`) or another number of channels? Received: weights={str(path)!r}"
    )
