"""Whether a network computes what it computed in PyTorch, and what makes the difference."""

import itertools
import math

import keras
import numpy as np

from keras_transfer._text import counted
from keras_transfer.backbones import graph

# Rounding reaches 1e-5 in deep networks; another epsilon gives 1e-3, another padding 0.1.
_TOLERANCE = 1e-4
_TORCH_EPSILON, _TORCH_MOMENTUM = 1e-5, 0.9
_NORMS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
)
_SHOWN = 4
_INPUTS = {
    "": lambda images: images,
    "its channels in the order BGR": lambda images: images[..., ::-1],
    "its input multiplied by 255": lambda images: images * 255,
    "its input divided by 255": lambda images: images / 255,
}


def check_finite(layer):
    """Raises `ValueError` if a weight that a layer got is NaN or infinite."""
    for weight in layer.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise ValueError(
                f"The checkpoint contains NaN or infinity for '{weight.path}': it is corrupt, "
                "or from a training that diverged."
            )


def compare(network, inputs, output):
    """The largest difference from PyTorch's output, as a fraction of its largest value.

    Raises `ValueError` if it is more than rounding; the message says with which padding,
    epsilon, scale or channel order the outputs are equal, if there is one.
    """
    inputs = _channels_last(inputs, network.inputs[0].shape, "input")
    expected = _channels_last(output, network.outputs[0].shape, "output")
    error = _error(network(inputs, training=False), expected)
    if error <= _TOLERANCE:
        return error
    raise ValueError(
        f"The output of '{network.name}' is not that of the reference: the relative error is "
        f"{error:.2g}. {_cause(network, inputs, expected)} The network has its former weights."
    )


def _channels_last(values, shape, what):
    values = np.asarray(getattr(values, "detach", lambda: values)(), "float32")
    for found in (values, np.moveaxis(values, 1, -1) if values.ndim > 2 else values):
        sizes = zip(found.shape[1:], shape[1:], strict=False)
        if found.ndim == len(shape) and all(theirs in (None, ours) for ours, theirs in sizes):
            return found
    raise ValueError(
        f"The {what} of the network is {tuple(shape)}. "
        f"Received: reference with an {what} of {values.shape}"
    )


def _error(found, expected):
    found = keras.ops.convert_to_numpy(keras.tree.flatten(found)[0])
    if found.shape != expected.shape:
        return math.inf
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))


def _cause(network, inputs, expected):
    """With what the outputs are equal, or what may differ."""
    images = [name for name in _INPUTS if not name or inputs.ndim == 4]
    strided, epsilons = strided_same(network), other_epsilons(network)
    variants = itertools.product([False, bool(strided)], [False, bool(epsilons)], images)
    for padded, epsilon, change in dict.fromkeys(variants):
        if not (padded or epsilon or change):
            continue
        found = _replayed(network, _INPUTS[change](inputs), padded, epsilon)
        error = _error(found, expected)
        if error <= _TOLERANCE:
            with_what = [
                f"PyTorch's padding in {_listed(strided)} ({_MEND_PADDING})" if padded else "",
                f"the epsilon {_TORCH_EPSILON} in {_listed(epsilons)}" if epsilon else "",
                change,
            ]
            return f"It is {error:.2g} with {' and '.join(filter(None, with_what))}."
    found = list(notes(network)) or ["A layer is in another place, or has another activation"]
    return " ".join(f"{note}." for note in found)


_MEND_PADDING = "a `ZeroPadding2D` before it, and `padding='valid'`"


def notes(network):
    """How a network may compute something else than PyTorch with the same weights."""
    strided, epsilons = strided_same(network), other_epsilons(network)
    if strided:
        yield (
            f"PyTorch pads both sides, Keras more at the end: {_listed(strided)} with "
            "`padding='same'` and a stride computes other numbers, unless PyTorch's network "
            f"imitates it; use {_MEND_PADDING}"
        )
    if epsilons:
        found = sorted({layer.epsilon for layer in epsilons})
        yield (
            f"PyTorch's default epsilon is {_TORCH_EPSILON}, that of "
            f"{_listed(epsilons)} is {', '.join(f'{one:g}' for one in found)}"
        )
    transposed = [one for one in graph.leaf_operations(network) if _crops_otherwise(one)]
    if transposed:
        yield (
            "Keras crops a transposed convolution with `padding='same'` at the end, PyTorch at "
            f"the beginning too: {_listed(transposed)}; use `padding='valid'` and a "
            "`Cropping2D`"
        )
    slow = [one for one in _norms(network) if getattr(one, "momentum", 0.9) != _TORCH_MOMENTUM]
    if slow:
        yield (
            f"PyTorch's default momentum of a BatchNormalization is {_TORCH_MOMENTUM} in the "
            f"words of Keras, that of {_listed(slow)} is {slow[0].momentum:g}; it matters only "
            "if they train"
        )
    if len(network.inputs[0].shape) == 4 and not _rescales(network):
        yield (
            "Networks of PyTorch mostly take images in [0, 1], normalized with a mean and a "
            "standard deviation: pass a `Preprocessing` to `Backbone.from_model`"
        )


def _rescales(network):
    """Whether a layer before the first weights changes the scale of the images."""
    for operation in graph.leaf_operations(network):
        if "Rescaling" in type(operation).__name__ or "Preprocess" in type(operation).__name__:
            return True
        if getattr(operation, "weights", None):
            return isinstance(operation, keras.layers.Normalization)
    return False


def other_epsilons(network):
    """The normalization layers whose epsilon is not the default of PyTorch."""
    return [one for one in _norms(network) if not math.isclose(one.epsilon, _TORCH_EPSILON)]


def _norms(network):
    return [one for one in graph.leaf_operations(network) if isinstance(one, _NORMS)]


def strided_same(network):
    """The layers that pad by `"same"` where PyTorch's symmetric padding differs."""
    return [one for one in graph.leaf_operations(network) if _pads_otherwise(one)]


def _pads_otherwise(layer):
    if getattr(layer, "padding", None) != "same" or not layer._inbound_nodes:
        return False
    strides, lengths = _pair(layer.strides, layer), layer.input.shape[1:-1]
    for size, stride, length in zip(_window(layer), strides, lengths, strict=True):
        begin = size // 2
        if stride == 1 or size == 1 or length is None:
            differs = stride > 1 and size > 1
        else:
            total = max((math.ceil(length / stride) - 1) * stride + size - length, 0)
            theirs = (length + 2 * begin - size) // stride + 1
            differs = total // 2 != begin or theirs != math.ceil(length / stride)
        if differs and "Transpose" not in type(layer).__name__:
            return True
    return False


def _crops_otherwise(layer):
    """Whether it is a transposed convolution that is not cropped equally on both sides."""
    if "Transpose" not in type(layer).__name__ or getattr(layer, "padding", "") != "same":
        return False
    sizes = zip(_window(layer), _pair(layer.strides, layer), strict=True)
    return any(stride > 1 and (size - stride) % 2 for size, stride in sizes)


def _window(layer):
    """The extent of the window of a convolution or a pooling, for each axis."""
    size = getattr(layer, "kernel_size", None) or layer.pool_size
    dilation = getattr(layer, "dilation_rate", 1)
    pairs = zip(_pair(size, layer), _pair(dilation, layer), strict=True)
    return [(size - 1) * step + 1 for size, step in pairs]


def _pair(value, layer):
    axes = len(layer.input.shape) - 2
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _replayed(network, inputs, padded, epsilon):
    """The output with the padding, the epsilon of PyTorch."""
    strided = strided_same(network) if padded else []

    def clone(operation):
        if operation in strided:
            return lambda features, **_: _padded_call(operation, features)
        if epsilon and isinstance(operation, _NORMS):
            return lambda features, **_: _changed(operation, epsilon=_TORCH_EPSILON)(features)
        return operation

    return graph.replay(network, [keras.ops.convert_to_tensor(inputs)], clone)


def _padded_call(layer, features):
    lowest = -np.inf if "MaxPool" in type(layer).__name__ else 0.0
    sides = [(0, 0), *((size // 2, size // 2) for size in _window(layer)), (0, 0)]
    features = keras.ops.pad(features, sides, constant_values=lowest)
    return _changed(layer, padding="valid")(features)


def _changed(layer, **arguments):
    """A copy of a layer with other arguments and the same weights."""
    copy = type(layer).from_config({**layer.get_config(), **arguments})
    copy.build(layer.input.shape)
    copy.set_weights(layer.get_weights())
    return copy


def _listed(layers):
    names = ", ".join(f"'{layer.name}'" for layer in layers[:_SHOWN])
    more = len(layers) - _SHOWN
    return names + (f" and {counted(more, 'more layer')}" if more > 0 else "")
