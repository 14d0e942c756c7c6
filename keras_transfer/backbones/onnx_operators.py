"""The operators of ONNX that a convolutional network has, as layers of Keras."""

import math

import numpy as np
from keras import layers, ops

from keras_transfer.backbones.onnx_layers import (
    average_pooling,
    batch_normalization,
    convolution,
    dense,
    global_pooling,
    layer_normalization,
    max_pooling,
    slope,
    transposed_convolution,
)
from keras_transfer.backbones.onnx_values import MOVED_AXES, Images


def convert(operator):
    """What an operator computes: `Images`, a tensor of Keras, or a list of them.

    Raises `ValueError` with the reason if it is not supported.
    """
    if operator.kind not in _TABLE:
        raise ValueError("the operator is not supported")
    return _TABLE[operator.kind](operator)


def _mean(operator):
    axes = tuple(int(axis) for axis in operator.value("axes", 1, ()))
    found, keeps = operator.inputs[0], bool(operator.attributes.get("keepdims", 1))
    if not axes:
        raise ValueError("axes are missing")
    if isinstance(found, Images) and sorted(axis % 4 for axis in axes) == [2, 3]:
        layer = layers.GlobalAveragePooling2D(keepdims=keeps, name=operator.name)
        return Images(layer(found.tensor)) if keeps else layer(found.tensor)
    return ops.mean(operator.plain(), axis=axes, keepdims=keeps)


def _elementwise(function, layer=None):
    """An operator of two tensors of equal or of broadcast shapes."""

    def convert_elementwise(operator):
        rank = max(len(getattr(one, "tensor", one).shape) for one in operator.inputs)
        is_image = any(isinstance(one, Images) for one in operator.inputs) and rank == 4
        if is_image:
            first, second = (_last(operator, index) for index in (0, 1))
        else:
            first, second = operator.plain(0), operator.plain(1)
        both = not any(isinstance(one, np.ndarray) for one in (first, second))
        if layer is not None and both:
            found = layer(name=operator.name)([first, second])
        else:
            found = function(first, second)
        return Images(found) if is_image else found

    return convert_elementwise


def _last(operator, index):
    """An input with its channels last, a constant too."""
    found = operator.inputs[index]
    if not isinstance(found, np.ndarray):
        return operator.images(index)
    found = found.reshape((1,) * (4 - found.ndim) + found.shape)
    return np.moveaxis(found, 1, -1)


def _activation(function):
    """An operator of each number alone."""

    def convert_activation(operator):
        found = operator.inputs[0]
        if isinstance(found, Images):
            return Images(function(operator)(found.tensor))
        return function(operator)(found)

    return convert_activation


def _clip(operator):
    low, high = operator.value("min", 1), operator.value("max", 2)
    low = -math.inf if low is None else float(low)
    high = math.inf if high is None else float(high)
    if low == 0:
        return layers.ReLU(None if math.isinf(high) else high, name=operator.name)
    return lambda tensor: ops.clip(tensor, low, high)


def _hard_sigmoid(operator):
    scale, shift = (operator.attributes.get(*pair) for pair in (("alpha", 0.2), ("beta", 0.5)))
    return lambda tensor: ops.clip(tensor * scale + shift, 0.0, 1.0)


def _concatenation(operator):
    axis = operator.attributes["axis"]
    tensors = operator.inputs
    if all(isinstance(one, Images) for one in tensors):
        layer = layers.Concatenate(axis=_moved(axis), name=operator.name)
        return Images(layer([one.tensor for one in tensors]))
    plain = [operator.plain(index) for index in range(len(tensors))]
    return layers.Concatenate(axis=axis, name=operator.name)(plain)


def _moved(axis):
    """An axis of ONNX in the tensor of `Images`."""
    return MOVED_AXES[axis % 4]


def _flatten(operator):
    if operator.attributes.get("axis", 1) != 1:
        raise ValueError("another axis than 1 is not supported")
    return layers.Flatten(name=operator.name)(operator.plain())


def _reshape(operator):
    found, shape = operator.plain(), [int(size) for size in operator.constant(1)]
    shape = [found.shape[at] if size == 0 else size for at, size in enumerate(shape)]
    if None in shape[1:] or not shape or (shape[0] or -1) not in (-1, 1):
        raise ValueError(f"the shape {shape} is not supported")
    return layers.Reshape(tuple(shape[1:]), name=operator.name)(found)


def _squeeze(operator):
    axes = operator.value("axes", 1)
    if axes is None:
        raise ValueError("axes are missing")
    return ops.squeeze(operator.plain(), axis=tuple(int(axis) for axis in axes))


def _transpose(operator):
    found, order = operator.inputs[0], tuple(operator.attributes["perm"])
    if isinstance(found, Images) and order == (0, 2, 3, 1):
        return found.tensor
    if not isinstance(found, Images) and order == MOVED_AXES:
        return Images(found)
    return ops.transpose(operator.plain(), order)


def _padding(operator):
    pads = [int(side) for side in operator.value("pads", 1)]
    value = operator.value("value", 2, 0.0)
    mode = operator.attributes.get("mode", "constant")
    if mode not in ("constant", "reflect") or len(operator.inputs) > 3:
        raise ValueError(f"mode={mode!r} is not supported")
    found, half = operator.inputs[0], len(pads) // 2
    sides = list(zip(pads[:half], pads[half:], strict=True))
    if isinstance(found, Images):
        sides = [sides[0], sides[2], sides[3], sides[1]]
    tensor = found.tensor if isinstance(found, Images) else found
    constant = {"constant_values": float(value)} if mode == "constant" else {}
    padded = ops.pad(tensor, sides, mode=mode, **constant)
    return Images(padded) if isinstance(found, Images) else padded


def _resize(operator):
    scales = operator.value("scales", 1 if operator.kind == "Upsample" else 2, ())
    given = operator.attributes
    mode, place = given.get("mode", "nearest"), given.get("coordinate_transformation_mode")
    factors = tuple(round(float(scale)) for scale in scales)
    is_whole = len(factors) == 4 and np.allclose(factors, np.ravel(scales)) and factors[1] == 1
    is_nearest = mode == "nearest" and (
        given.get("nearest_mode") == "floor" or place in (None, "half_pixel")
    )
    is_linear = mode == "linear" and place in (None, "half_pixel", "pytorch_half_pixel")
    if not is_whole or not (is_nearest or is_linear):
        raise ValueError("only whole scales of the nearest pixel, or linear, are supported")
    kind = "nearest" if is_nearest else "bilinear"
    layer = layers.UpSampling2D(factors[2:], interpolation=kind, name=operator.name)
    return Images(layer(operator.images()))


def _slice(operator):
    found = operator.inputs[0]
    rank = 4 if isinstance(found, Images) else len(found.shape)
    starts, ends = operator.value("starts", 1), operator.value("ends", 2)
    axes = operator.value("axes", 3, range(len(starts)))
    steps = operator.value("steps", 4, [1] * len(starts))
    parts = [slice(None)] * rank
    for axis, *bounds in zip(axes, starts, ends, steps, strict=True):
        start, end, step = map(int, bounds)
        parts[int(axis) % rank] = slice(start, end if abs(end) < 2**31 - 1 else None, step)
    return _part(found, parts)


def _split(operator):
    found, axis = operator.inputs[0], operator.attributes.get("axis", 0)
    rank = 4 if isinstance(found, Images) else len(found.shape)
    sizes = operator.value("split", 1)
    if sizes is None:
        raise ValueError("a split without sizes is not supported")
    ends = np.cumsum(sizes).tolist()
    parts = []
    for start, end in zip([0, *ends], ends, strict=False):
        chosen = [slice(None)] * rank
        chosen[axis % rank] = slice(start, end)
        parts.append(_part(found, chosen))
    return parts


def _part(found, parts):
    if not isinstance(found, Images):
        return found[tuple(parts)]
    batch, channels, rows, columns = parts
    return Images(found.tensor[batch, rows, columns, channels])


def _same(operator):
    return operator.inputs[0]


def _layer(name):
    return _activation(lambda operator: layers.Activation(name, name=operator.name))


def _plain_function(function):
    return _activation(lambda operator: function)


_TABLE = {
    "Abs": _plain_function(ops.abs),
    "Add": _elementwise(ops.add, layers.Add),
    "AveragePool": average_pooling,
    "BatchNormalization": batch_normalization,
    "Cast": _same,
    "Clip": _activation(_clip),
    "Concat": _concatenation,
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "Div": _elementwise(ops.divide),
    "Dropout": _same,
    "Elu": _activation(lambda operator: layers.ELU(operator.attributes.get("alpha", 1.0))),
    "Erf": _plain_function(ops.erf),
    "Exp": _plain_function(ops.exp),
    "Flatten": _flatten,
    "Gemm": dense,
    "GlobalAveragePool": global_pooling(layers.GlobalAveragePooling2D),
    "GlobalMaxPool": global_pooling(layers.GlobalMaxPooling2D),
    "HardSigmoid": _activation(_hard_sigmoid),
    "HardSwish": _layer("hard_silu"),
    "Identity": _same,
    "LayerNormalization": layer_normalization,
    "LeakyRelu": _activation(
        lambda operator: layers.LeakyReLU(
            operator.attributes.get("alpha", 0.01), name=operator.name
        )
    ),
    "MatMul": dense,
    "Max": _elementwise(ops.maximum),
    "MaxPool": max_pooling,
    "Min": _elementwise(ops.minimum),
    "Mul": _elementwise(ops.multiply, layers.Multiply),
    "Neg": _plain_function(ops.negative),
    "PRelu": slope,
    "Pad": _padding,
    "Pow": _elementwise(ops.power),
    "ReduceMean": _mean,
    "Relu": _activation(lambda operator: layers.ReLU(name=operator.name)),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _layer("sigmoid"),
    "Slice": _slice,
    "Softmax": _layer("softmax"),
    "Softplus": _layer("softplus"),
    "Split": _split,
    "Sqrt": _plain_function(ops.sqrt),
    "Squeeze": _squeeze,
    "Sub": _elementwise(ops.subtract),
    "Tanh": _layer("tanh"),
    "Transpose": _transpose,
    "Upsample": _resize,
}
SUPPORTED = tuple(_TABLE)
