"""What a training changed, as one small file beside the network that it started from."""

import hashlib
import io
import os
import pathlib
from typing import Any

import keras
import numpy as np

from keras_transfer._files import write_aside
from keras_transfer._records import read_arrays
from keras_transfer.backbones.frozen_mode import every_layer
from keras_transfer.models.checks import check_model
from keras_transfer.models.low_rank import lora_base, own_variables
from keras_transfer.models.transfer_model import TransferModel

# Members of the file that are no variables.
_BASE, _ALPHA = "base", "alpha"


def save_delta(model: TransferModel, path: str | os.PathLike) -> None:
    """Writes the variables that train now, without those that stayed frozen.

    Many tasks then share one backbone: each adds a file of the size of its low-rank updates
    (`add_lora`), its scales and offsets (`batch_norm="affine"`) and its head. Call it with the
    freeze policy of the last training in effect.

    Args:
        model: a `TransferModel`.
        path: the file, an `.npz` archive without pickle.

    Raises:
        ValueError: if nothing trains.

    Example:
        >>> images = np.zeros((1, 16, 16, 3))
        >>> untrained = model.copy()
        >>> model.get_layer("head_output").set_weights([np.ones((8, 3)), np.arange(3.0)])
        >>> models.save_delta(model, "delta.npz")
        >>> models.load_delta(untrained, "delta.npz")
        >>> np.array_equal(*(one.predict(images, verbose=0) for one in (model, untrained)))
        True
    """
    named, layers = _named_variables(model), every_layer(model.layers)
    updated = {place for place, layer in enumerate(layers) if _has_update(layer)}
    arrays: dict[str, Any] = {
        name: np.asarray(variable)
        for name, variable in named.items()
        if variable.trainable
        or _is_statistic(layers, name)
        or ("/lora_" in name and _place(name) in updated)
    }
    if not arrays:
        raise ValueError("No variable trains: assign `model.freeze_policy` first.")
    places = {_place(name) for name in arrays if "/lora_" in name}
    arrays |= {f"{_ALPHA}/{place}": np.float32(layers[place].lora_alpha) for place in places}
    arrays[_BASE] = _digest(named, arrays)
    written = io.BytesIO()
    np.savez(written, **arrays)
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(written.getvalue()))


def load_delta(model: TransferModel, path: str | os.PathLike) -> None:
    """Gives a model the variables of a file that `save_delta` wrote.

    The file may come from elsewhere: it is read as data, and nothing changes if it does not
    fit.

    Args:
        model: a `TransferModel` with the backbone that the training started from, and the same
            heads; low-rank updates are added as the file has them.
        path: the file.

    Raises:
        ValueError: if the file is corrupt or belongs to another model.
        OSError: if it cannot be read.
    """
    check_model(model)
    try:
        arrays = read_arrays(path)
        ranks = _check(model, arrays)
    except ValueError as error:
        raise ValueError(f"'{os.fspath(path)}' is no delta of this model: {error}") from error
    layers = every_layer(model.layers)
    for place, (rank, alpha) in ranks.items():
        if not lora_base(layers[place]):
            layers[place].enable_lora(rank, lora_alpha=alpha)
    model.freeze_policy = model.freeze_policy
    named = _named_variables(model)
    for name, array in arrays.items():
        if name in named:
            named[name].assign(array)
    model.forget_predict_function()


def _check(model, arrays):
    """The rank and alpha of the update of each layer; `ValueError` if an array does not fit."""
    named, layers = _named_variables(model), every_layer(model.layers)
    ranks, wanted = {}, {}
    for place, layer in enumerate(layers):
        alpha = arrays.get(f"{_ALPHA}/{place}")
        if alpha is None:
            continue
        base = next(
            (v for v in own_variables(layer) if v.name in ("kernel", "embeddings")), None
        )
        first = arrays.get(f"{place}/lora_{base.name}_a") if base is not None else None
        if first is None or not hasattr(layer, "enable_lora") or not first.ndim:
            raise ValueError(f"'{layer.name}' cannot have a low-rank update")
        rank = first.shape[-1]
        is_sound = np.shape(alpha) == () and np.isfinite(alpha) and 0 < rank <= max(base.shape)
        if not is_sound or (
            lora_base(layer) and (layer.lora_rank, layer.lora_alpha) != (rank, float(alpha))
        ):
            raise ValueError(f"the update of '{layer.name}' has another rank, {rank}, or alpha")
        ranks[place] = rank, float(alpha)
        wanted[f"{place}/lora_{base.name}_a"] = (*base.shape[:-1], rank)
        wanted[f"{place}/lora_{base.name}_b"] = (rank, base.shape[-1])
    wanted = {**{name: tuple(v.shape) for name, v in named.items()}, **wanted}
    for name, array in arrays.items():
        if name == _BASE or name.startswith(f"{_ALPHA}/"):
            continue
        if wanted.get(name) != array.shape or array.dtype.kind != "f":
            raise ValueError(f"it has {name[:60]!a} of shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name[:60]!a} is not finite")
    if not np.array_equal(arrays.get(_BASE), _digest(named, arrays)):
        raise ValueError("its training started from other weights, or from other layers")
    return ranks


def _named_variables(model):
    """The variables by the place of their layer: names that Keras chooses differ each time."""
    return {
        f"{place}/{variable.name}": variable
        for place, layer in enumerate(every_layer(model.layers))
        for variable in own_variables(layer)
        if "seed" not in variable.name
    }


def _place(name):
    return int(name.split("/")[0])


def _has_update(layer):
    """Whether a low-rank update is not zero, for example from an earlier phase."""
    base = lora_base(layer)
    return base is not None and bool(np.any(np.asarray(getattr(layer, f"lora_{base}_b"))))


def _is_statistic(layers, name):
    """Whether a variable is a moving statistic of BatchNormalization that trains."""
    layer = layers[_place(name)]
    return isinstance(layer, keras.layers.BatchNormalization) and layer.trainable


def _digest(named, kept):
    """What the weights are that a delta does not hold, as 32 numbers."""
    digest = hashlib.sha256()
    for name, variable in named.items():
        if name not in kept and "/lora_" not in name:
            value = np.asarray(variable)
            digest.update(f"{name} {value.shape} {value.dtype}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return np.frombuffer(digest.digest(), "uint8")
