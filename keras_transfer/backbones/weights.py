"""Pretrained weights from a file or from Keras' cache."""

import collections
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
from keras_transfer.backbones import graph, legacy_names

_MEMBER = "model.weights.h5"
# Weights hardly compress: a higher ratio means a decompression bomb, or a dataset that was
# declared and never written.
_LARGEST_RATIO = 100
# A file has few models nested in each other.
_MOST_PLACES = 100
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
    the end is ignored), `.weights.h5` and `.keras`, and whole models of these formats, of Keras
    2 too, in which the network is nested or has other layers around it. It converts numbers of
    another type. It reads only the weights of a file: it builds none of its layers and runs no
    code in it.

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
    """`[(layer name, {weight name: array})]` of a file in the format of Keras 1 and 2, or None.

    The weights of a nested model are those of one layer, with the names of their own layers.
    """
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
                (name, {key: _values(group[key], file) for key in keys[name]})
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
    misfit = _first_misfit(model, saved)
    if misfit is None:
        pairs = _in_order(model, saved)
    else:
        # A model of one's own: the network is nested in it, or has other layers around it.
        pairs, number = legacy_names.match(model, saved)
        if len(pairs) < number:
            raise ValueError(_misfit(model, path, *misfit, len(pairs), number))
    for weight, value in pairs:
        weight.assign(value)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _expected(model):
    return [
        (layer, [*layer.trainable_weights, *layer.non_trainable_weights])
        for layer in model.layers
        if layer.weights
    ]


def _in_order(model, saved):
    """Pairs of a weight and its value."""
    return [
        pair
        for (_, weights), (_, values) in zip(_expected(model), saved, strict=False)
        for pair in zip(weights, values.values(), strict=True)
    ]


def _first_misfit(model, saved):
    """The first layer that differs, its shapes, those of the file, and its name there."""
    expected = _expected(model)
    for (layer, weights), (name, values) in zip(expected, saved, strict=False):
        ours = [tuple(w.shape) for w in weights]
        theirs = [value.shape for value in values.values()]
        if ours != theirs:
            return layer.name, ours, theirs, f" ('{name}')"
    if len(saved) < len(expected):
        layer, weights = expected[len(saved)]
        return layer.name, [tuple(w.shape) for w in weights], "nothing", ""
    return None


def _load_keras_3(model, path):
    # First, since Keras would load the layers that fit and warn about the others.
    ours, names = _shapes_of(model), _names_by_saved_key(model)
    theirs, their_names = _shapes_in(path)
    found = _best_place(ours, names, theirs, their_names)
    for key, shape in sorted(ours.items(), key=lambda item: _saved_order(item[0], names)):
        if key not in found:
            layer = names.get("/".join(key.split("/")[:2]), key)
            other = theirs.get(key, "nothing")
            other = "it elsewhere" if other == shape else other
            raise ValueError(
                _misfit(model, path, layer, shape, other, "", len(found), len(ours))
            )
    if not path.name.endswith((".weights.h5", ".keras")):
        raise ValueError(
            "Keras 3 wrote this file, and reads it only if its name ends in '.weights.h5': "
            f"rename the file. Received: weights={str(path)!r}"
        )
    try:
        _load_from(model, path, found)
    except Exception as error:
        raise ValueError(_unreadable(path, error)) from error


def _load_from(model, path, found):
    """Loads the weights at `found`, a dict from the keys of the model to those of the file."""
    if all(key == place for key, place in found.items()):
        model.load_weights(path)
        return
    with tempfile.TemporaryDirectory() as directory:
        part = os.path.join(directory, "part.weights.h5")
        with _opened(path) as file, h5py.File(part, "w") as copy:
            for key, place in found.items():
                copy[key] = _values(file[place], file)
        model.load_weights(part)


def _best_place(ours, names, theirs, their_names):
    """From our keys to those of the weights of equal shape, where most are found.

    The network may be nested in another model, or have other layers around it.
    """
    prefixes = collections.Counter(
        key[: part.start()] for key in theirs for part in re.finditer(r"(?<![^/])layers/", key)
    )
    places = [
        {key: prefix + key for key in ours} for prefix, _ in prefixes.most_common(_MOST_PLACES)
    ]
    by_name = {(their_names[key], _within(key)): key for key in theirs}
    places.append(
        {
            key: by_name.get((names.get("/".join(key.split("/")[:2])), _within(key)), "")
            for key in ours
        }
    )
    fitting = [
        {key: place for key, place in one.items() if theirs.get(place) == ours[key]}
        for one in places
    ]
    return max(fitting, key=len)


def _within(key):
    """The place of a weight in its layer, such as 'vars/0'."""
    return "/".join(key.split("/")[-2:])


def _shapes_of(model):
    with tempfile.TemporaryDirectory() as directory:
        reference = os.path.join(directory, "reference.weights.h5")
        model.save_weights(reference)
        return _shapes_in(reference)[0]


def _shapes_in(path):
    """The shapes in a `.weights.h5` file or a `.keras` archive, and the names of their layers.

    Both are dicts by the key of the weight.
    """
    shapes, names = {}, {}

    def note(key, item):
        if isinstance(item, h5py.Dataset):
            _check_numbers(item)
            shapes[key] = item.shape
            names[key] = _text(item.parent.attrs.get("name", ""))

    # zipfile, the decompressor and h5py may raise anything at a corrupt file.
    try:
        with _opened(path) as file:
            file.visititems(note)
    except Exception as error:
        raise ValueError(_unreadable(path, error)) from error
    return shapes, names


def _opened(path):
    if not str(path).endswith(".keras"):
        return h5py.File(path, "r")
    with zipfile.ZipFile(path) as archive:
        return h5py.File(io.BytesIO(_unpacked(archive)), "r")


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


def _misfit(model, path, layer, ours, theirs, their_name, number, total):
    return (
        f"The weights file does not fit {model.name}: layer '{layer}' expects {ours}, the file "
        f"contains {theirs}{their_name}; {number} of {total} tensors match. Is it for another "
        "network, another width (`alpha`) or another number of channels? "
        f"Received: weights={str(path)!r}"
    )
