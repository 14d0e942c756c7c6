"""Checkpoints of PyTorch: the tensors in a file, and how layers of Keras keep them."""

import os
import pathlib
import re
from collections.abc import Mapping

import keras
import numpy as np

from keras_transfer._text import reason_of

# Where a training script keeps the weights among other things.
_NESTED = ("state_dict", "model_state_dict", "model_ema", "ema", "model", "net")
_WRAPPERS = ("module.", "_orig_mod.")
_COUNTER = "num_batches_tracked"


def read_checkpoint(checkpoint) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint by name, in its order; the arguments are `port_weights`'s.

    It drops BatchNormalization's counter of batches, and the prefix of a data-parallel model.
    """
    if isinstance(checkpoint, Mapping):
        found, name = checkpoint, "a dict"
    else:
        path = pathlib.Path(checkpoint).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no checkpoint '{path}'. Received: checkpoint={str(checkpoint)!r}"
            )
        is_safe = path.suffix == ".safetensors"
        found, name = (_safetensors if is_safe else _torch_file)(path), f"'{path}'"
    for key in _NESTED:
        if isinstance(found.get(key), Mapping):
            found = found[key]
    tensors = {
        _unwrapped(str(key)): _array(value)
        for key, value in found.items()
        if hasattr(value, "shape") and not str(key).endswith(_COUNTER)
    }
    if not tensors:
        raise ValueError(
            "A checkpoint has tensors by name, a state dict of PyTorch. "
            f"Received: {name} with {list(found)[:5]}"
        )
    return tensors


def modules_of(tensors) -> dict[str, dict[str, str]]:
    """The modules of a checkpoint, in order: from the name of a parameter to its tensor's.

    Each layer of an LSTM is a module of its own.
    """
    modules: dict[str, dict[str, str]] = {}
    for name in tensors:
        module, _, parameter = name.rpartition(".")
        layer = re.fullmatch(r"((?:weight|bias)_(?:ih|hh))_(l\d+(?:_reverse)?)", parameter)
        if layer is not None:
            parameter, module = layer.group(1), f"{module}.{layer.group(2)}"
        modules.setdefault(module, {})[parameter] = name
    return modules


def _unwrapped(name):
    for prefix in _WRAPPERS:
        name = name.removeprefix(prefix)
    return name


def _array(value):
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
        return value.numpy()
    value = np.asarray(value)
    # NumPy knows bfloat16 as no kind of its own.
    return value if value.dtype.kind in "biuf" else value.astype("float32")


def _safetensors(path):
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ImportError(
            "A '.safetensors' file needs one more package: pip install "
            f"'keras-transfer[checkpoints]'. Received: {error}"
        ) from error
    try:
        return load_file(path)
    except Exception as error:  # the library's own class of errors, and those of NumPy's types
        raise ValueError(_unreadable(path, error)) from error


def _torch_file(path):
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"A '{path.suffix}' file needs PyTorch: pip install torch; or save the checkpoint "
            f"as '.safetensors'. Received: checkpoint={str(path)!r}"
        ) from error
    try:
        # Without `weights_only`, a file runs code of its author.
        found = torch.load(os.fspath(path), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a corrupt file leads to
        raise ValueError(_unreadable(path, error)) from error
    if not isinstance(found, Mapping):
        raise ValueError(_unreadable(path, f"it contains a {type(found).__name__}"))
    return found


def _unreadable(path, error):
    reason = reason_of(error).split(". ")[0]
    return (
        f"'{path}' is not a readable checkpoint of tensors alone: {reason}. Save "
        f"`network.state_dict()` with `torch.save`. Received: checkpoint={str(path)!r}"
    )


def parts_of(layer) -> list[dict]:
    """What a layer has of its own in PyTorch: one module, or two for a separable convolution.

    Each part is a dict of the name of a Keras weight to a function from the tensors of the
    module to its value. If that raises an error, the module does not fit.
    """
    own = {weight.name: weight for weight in layer.weights}
    kind = type(layer).__name__
    if "Separable" in kind:
        first, second = "depthwise_kernel", "pointwise_kernel"
        return [
            {first: lambda found: _depthwise(found["weight"], own[first].shape)},
            {
                second: lambda found: _convolution(found["weight"]),
                **({"bias": lambda found: found["bias"]} if "bias" in own else {}),
            },
        ]
    table = _LAYOUTS.get(_kind(layer))
    if table is None:
        return []
    return [{name: _bound(table[name], layer) for name in own if name in table}]


def _bound(function, layer):
    return lambda found: function(found, layer)


def _kind(layer):
    name = type(layer).__name__
    for kind in ("Depthwise", "Transpose"):
        if kind in name and "Conv" in name:
            return kind
    return "Conv" if name in ("Conv1D", "Conv2D", "Conv3D") else name


def _convolution(value):
    """`(out, in, *window)` to `(*window, in, out)`."""
    if value.ndim == 2:  # a dense layer in place of a convolution of one pixel
        value = value[:, :, None, None]
    return np.moveaxis(value, (0, 1), (-1, -2))


def _depthwise(value, shape):
    """`(in * multiplier, 1, *window)` to `(*window, in, multiplier)`."""
    if value.shape[1] != 1:
        raise ValueError("not a convolution of each channel")
    value = value.reshape(shape[-2], shape[-1], *value.shape[2:])
    return np.moveaxis(value, (0, 1), (-2, -1))


def _dense(value, layer):
    """`(out, in)` to `(in, out)`; after a `Flatten`, from channels first to channels last."""
    if value.ndim == 4 and value.shape[2:] == (1, 1):
        value = value[:, :, 0, 0]
    before = layer.input._keras_history.operation if layer._inbound_nodes else None
    if isinstance(before, keras.layers.Flatten) and len(before.input.shape) > 3:
        *window, channels = before.input.shape[1:]
        value = np.moveaxis(value.reshape(-1, channels, *window), 1, -1)
        value = value.reshape(len(value), -1)
    return value.T


def _lstm_bias(found, layer):
    return found["bias_ih"] + found["bias_hh"]


def _slope(found, layer):
    return found["weight"].reshape(layer.alpha.shape)


_BIAS = {"bias": lambda found, layer: found["bias"]}
_SCALE = {
    "gamma": lambda found, layer: found["weight"],
    "beta": lambda found, layer: found["bias"],
}
_LAYOUTS = {
    "Conv": {"kernel": lambda found, layer: _convolution(found["weight"]), **_BIAS},
    "Depthwise": {
        "kernel": lambda found, layer: _depthwise(found["weight"], layer.kernel.shape),
        **_BIAS,
    },
    # `(in, out, *window)` to `(*window, out, in)`.
    "Transpose": {"kernel": lambda found, layer: _convolution(found["weight"]), **_BIAS},
    "Dense": {"kernel": lambda found, layer: _dense(found["weight"], layer), **_BIAS},
    "BatchNormalization": {
        **_SCALE,
        "moving_mean": lambda found, layer: found["running_mean"],
        "moving_variance": lambda found, layer: found["running_var"],
    },
    "LayerNormalization": _SCALE,
    "GroupNormalization": _SCALE,
    "Embedding": {"embeddings": lambda found, layer: found["weight"]},
    "PReLU": {"alpha": _slope},
    # The gates of both are input, forget, cell, output.
    "LSTM": {
        "kernel": lambda found, layer: found["weight_ih"].T,
        "recurrent_kernel": lambda found, layer: found["weight_hh"].T,
        "bias": _lstm_bias,
    },
}
