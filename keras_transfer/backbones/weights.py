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
# Weights are noise to a compressor: what unpacks to more than this is a bomb, or a dataset that
# was declared and never written.
_LARGEST_RATIO = 100
# Floats, integers and flags; h5py reads bfloat16 as bytes.
_NUMBERS = "fiubV"


def build_with_imagenet(application, **arguments):
    """Builds a network with its ImageNet weights, through Keras' own cache and download.

    Raises:
        FileNotFoundError: if the file is neither cached nor to be downloaded; the message
            names the file and where Keras looks for it.
    """
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
    """Where Keras looks for weights files: `models` in `$KERAS_HOME` or `~/.keras`."""
    home = os.environ.get("KERAS_HOME", os.path.join(os.path.expanduser("~"), ".keras"))
    return os.path.join(home, "models")


def load_weights(model, path):
    """Loads a weights file into a network without its classifier.

    Numbers of another type are converted. Of a `.keras` file nothing but the weights is read:
    whatever layers it describes, none is made, and no code in it is run.

    Args:
        model: a functional `keras.Model`.
        path: a file in one of three formats: `.h5` as `keras.applications` distributes them
            (layers in the order of the graph; a classifier at the end is left out),
            `.weights.h5`, or `.keras`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is none of these, or if it does not fit; the message names the
            first layer that differs, and both shapes. Also if it holds NaN or infinity; the
            message names the layer.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no weights file '{path}'. `weights` is 'imagenet', a path to an '.h5', "
            f"'.weights.h5' or '.keras' file, or None. Received: weights={str(path)!r}"
        )
    if not path.name.endswith((".h5", ".keras")):
        raise ValueError(
            "The name of a weights file ends in '.h5', '.weights.h5' or '.keras', which says "
            f"how it is read. Received: weights={str(path)!r}"
        )
    saved = _legacy_layers(path) if path.suffix == ".h5" else None
    if saved is None:
        _load_keras_3(model, path)
    else:
        _load_legacy(model, saved, path)
    check_finite(model, f"The weights file '{path}'")


def check_finite(model, source):
    """Raises unless all weights are finite numbers.

    Args:
        model: a `keras.Model`.
        source: where the weights come from, in words.

    Raises:
        ValueError: if one is NaN or infinite; the message names the layer.
    """
    for layer in model.layers:
        for weight in layer.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                raise ValueError(
                    f"{source} holds NaN or infinity for layer '{layer.name}', in "
                    f"'{weight.name}': a training that failed wrote it, or it is damaged."
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
    # Damage is met with whatever h5py ran into.
    except Exception as error:
        raise ValueError(_unreadable(path, error)) from error


def _values(dataset, file):
    """The array in a dataset, if it is one of numbers that lie in this file."""
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"'{dataset.name}' is no array")
    _check_numbers(dataset)
    is_elsewhere = dataset.file != file or dataset.external or dataset.is_virtual
    if is_elsewhere or dataset.nbytes > _LARGEST_RATIO * file.id.get_filesize():
        raise ValueError(f"the numbers of '{dataset.name}' do not lie in it")
    return np.asarray(dataset)


def _check_numbers(dataset):
    if dataset.dtype.kind not in _NUMBERS:
        raise ValueError(f"'{dataset.name}' holds no real numbers, but {dataset.dtype}")


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def _unreadable(path, error):
    return (
        f"'{path}' is not a readable weights file; it may be damaged or only partly "
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
    # Compared first: Keras would load what fits, and warn of each layer that does not.
    layer, ours, theirs = _first_difference(model, _shapes_in(path))
    if layer is not None:
        raise ValueError(_misfit(model, path, layer, ours, theirs, ""))
    if not path.name.endswith((".weights.h5", ".keras")):
        raise ValueError(
            "These are weights as Keras 3 writes them, which it reads from a name that ends in "
            f"'.weights.h5': rename the file. Received: weights={str(path)!r}"
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
    # Damage is met with whatever zipfile, the decompressor or h5py ran into.
    except Exception as error:
        raise ValueError(_unreadable(path, error)) from error
    return shapes


def _unpacked(archive):
    member = archive.getinfo(_MEMBER)
    if member.file_size > _LARGEST_RATIO * member.compress_size:
        raise ValueError(
            f"{member.compress_size} bytes that unpack to {member.file_size} are no weights"
        )
    return archive.read(member)


def _names_by_saved_key(model):
    """Keras 3 saves layers by class and number; this maps those keys to layer names."""
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
        f"holds {theirs}{their_name}. Was it made for another network, another width "
        f"(`alpha`) or another number of channels? Received: weights={str(path)!r}"
    )
