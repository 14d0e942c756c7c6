"""The operators of ONNX that a convolutional network has, as layers of Keras."""

import math

import keras
import numpy as np
from keras import layers, ops

# Axes of `(batch, channels, height, width)` in `(batch, height, width, channels)`.
_MOVED_AXES = (0, 3, 1, 2)


class Images:
    """A tensor `(batch, channels, height, width)` of ONNX, kept with its channels last."""

    def __init__(self, tensor):
        self.tensor = tensor


class Operator:
    """One node: its attributes and its inputs, and the name of the layer that it becomes.

    An input is an array (a constant), `Images`, another tensor of Keras, or None.
    """

    def __init__(self, kind, name, attributes, inputs):
        self.kind, self.name, self.inputs = kind, name, inputs
        self.attributes = attributes

    def value(self, name, index=None, default=None):
        """An attribute that newer versions of the operator have as a constant input."""
        if index is not None and index < len(self.inputs) and self.inputs[index] is not None:
            return self.constant(index)
        return self.attributes.get(name, default)

    def constant(self, index):
        """A constant input."""
        found = self.inputs[index]
        if not isinstance(found, np.ndarray):
            raise ValueError(f"input {index} is computed, it must be a constant")
        return found

    def images(self, index=0):
        """An input as a tensor with its channels last."""
        found = self.inputs[index]
        if isinstance(found, Images):
            return found.tensor
        if isinstance(found, np.ndarray) or len(found.shape) != 4:
            raise ValueError("it is supported for images only")
        return ops.transpose(found, (0, 2, 3, 1))

    def plain(self, index=0):
        """An input with its axes in the order of ONNX."""
        found = self.inputs[index]
        return ops.transpose(found.tensor, _MOVED_AXES) if isinstance(found, Images) else found


def convert(operator):
    """What an operator computes: `Images`, a tensor of Keras, or a list of them.

    Raises `ValueError` with the reason if it is not supported.
    """
    if operator.kind not in _TABLE:
        raise ValueError("the operator is not supported")
    return _TABLE[operator.kind](operator)


def _convolution(operator):
    images, kernel = operator.images(), operator.constant(1)
    bias = operator.constant(2) if len(operator.inputs) > 2 else None
    strides, dilation, groups = _strides(operator), _dilation(operator), _groups(operator)
    sizes = zip(kernel.shape[2:], dilation, strict=True)
    window = [(size - 1) * step + 1 for size, step in sizes]
    images, padding = _padded(operator, images, window, strides)
    arguments = {
        "kernel_size": kernel.shape[2:],
        "strides": strides,
        "padding": padding,
        "dilation_rate": dilation,
        "use_bias": bias is not None,
        "name": operator.name,
    }
    channels, filters = images.shape[-1], kernel.shape[0]
    # TensorFlow has no depthwise convolution with two different strides.
    if groups == channels > 1 and strides[0] == strides[1]:
        kernel = kernel.reshape(channels, filters // channels, *kernel.shape[2:])
        kernel = np.moveaxis(kernel, (0, 1), (-2, -1))
        layer = layers.DepthwiseConv2D(depth_multiplier=filters // channels, **arguments)
    else:
        kernel = np.moveaxis(kernel, (0, 1), (-1, -2))
        layer = layers.Conv2D(filters, groups=groups, **arguments)
    return Images(_with_weights(layer, images, [kernel, bias]))


def _transposed_convolution(operator):
    images, kernel = operator.images(), operator.constant(1)
    bias = operator.constant(2) if len(operator.inputs) > 2 else None
    (top, left, bottom, right), given = _pads(operator), operator.attributes
    is_plain = not any(given.get("output_padding", ())) and "output_shape" not in given
    if _groups(operator) > 1 or max(_dilation(operator)) > 1 or not is_plain:
        raise ValueError("groups, dilations and output paddings are not supported")
    layer = layers.Conv2DTranspose(
        kernel.shape[1],
        kernel.shape[2:],
        _strides(operator),
        use_bias=bias is not None,
        name=operator.name,
    )
    found = _with_weights(layer, images, [np.moveaxis(kernel, (0, 1), (-1, -2)), bias])
    cropped = layers.Cropping2D(((top, bottom), (left, right)))
    return Images(cropped(found) if any((top, left, bottom, right)) else found)


def _batch_normalization(operator):
    given = operator.attributes
    layer = layers.BatchNormalization(
        epsilon=given.get("epsilon", 1e-5),
        momentum=given.get("momentum", 0.9),
        name=operator.name,
    )
    constants = [operator.constant(index) for index in range(1, 5)]
    found = operator.inputs[0]
    if not isinstance(found, Images) and len(found.shape) == 2:
        return _with_weights(layer, found, constants)
    return Images(_with_weights(layer, operator.images(), constants))


def _dense(operator):
    given, kernel = operator.attributes, operator.constant(1)
    if given.get("transA") or given.get("alpha", 1) != 1 or given.get("beta", 1) != 1:
        raise ValueError("transA, alpha and beta are not supported")
    if kernel.ndim != 2:
        raise ValueError("the matrix must have two axes")
    kernel = kernel.T if given.get("transB") else kernel
    bias = operator.constant(2) if len(operator.inputs) > 2 else None
    layer = layers.Dense(kernel.shape[1], use_bias=bias is not None, name=operator.name)
    return _with_weights(layer, operator.plain(), [kernel, bias])


def _with_weights(layer, tensor, weights):
    layer.build(tensor.shape)
    layer.set_weights([value for value in weights if value is not None])
    return layer(tensor)


def _strides(operator):
    return tuple(operator.attributes.get("strides", (1, 1)))


def _dilation(operator):
    return tuple(operator.attributes.get("dilations", (1, 1)))


def _groups(operator):
    return operator.attributes.get("group", 1)


def _pads(operator):
    return tuple(operator.attributes.get("pads", (0, 0, 0, 0)))


def _padded(operator, images, window, strides, lowest=0.0):
    """The images with their padding, and the `padding` of the layer that follows."""
    kind = operator.attributes.get("auto_pad", "NOTSET")
    if kind == "SAME_UPPER":
        return images, "same"
    if kind == "SAME_LOWER":
        raise ValueError("auto_pad='SAME_LOWER' is not supported")
    top, left, bottom, right = _pads(operator) if kind == "NOTSET" else (0, 0, 0, 0)
    half = tuple(size // 2 for size in window)
    is_same = (top, left) == (bottom, right) == half and all(size % 2 for size in window)
    if is_same and strides == (1, 1):
        return images, "same"
    sides = [[top, bottom], [left, right]]
    if operator.attributes.get("ceil_mode"):
        lengths = images.shape[1:3]
        for side, size, stride, length in zip(sides, window, strides, lengths, strict=True):
            if length is None:
                raise ValueError("ceil_mode needs images of a known size")
            missing = (length + sum(side) - size) % stride
            side[1] += stride - missing if missing else 0
    if not np.any(sides):
        return images, "valid"
    if lowest:
        return ops.pad(images, [(0, 0), *sides, (0, 0)], constant_values=lowest), "valid"
    return layers.ZeroPadding2D(tuple(map(tuple, sides)))(images), "valid"


def _max_pooling(operator):
    window, strides = _pooling(operator)
    images, padding = _padded(operator, operator.images(), window, strides, -np.inf)
    layer = layers.MaxPooling2D(window, strides, padding, name=operator.name)
    return Images(layer(images))


def _average_pooling(operator):
    window, strides = _pooling(operator)
    images = operator.images()
    padded, padding = _padded(operator, images, window, strides)
    pool = layers.AveragePooling2D(window, strides, padding, name=operator.name)
    if padding == "same" and operator.attributes.get("count_include_pad"):
        half = tuple(size // 2 for size in window)
        padded = layers.ZeroPadding2D(half)(images)
        return Images(layers.AveragePooling2D(window, strides, name=operator.name)(padded))
    excludes = padded is not images and not operator.attributes.get("count_include_pad")
    if not excludes:
        return Images(pool(padded))
    if None in images.shape[1:3]:
        raise ValueError("an average without its padding needs images of a known size")
    # Keras' average counts the zeros of the padding; divided by the part that is no padding.
    (top, left), (height, width) = _pads(operator)[:2], images.shape[1:3]
    part = np.zeros((1, *padded.shape[1:3], 1), "float32")
    part[:, top : top + height, left : left + width] = 1
    share = ops.convert_to_numpy(ops.average_pool(part, window, strides, padding))
    return Images(pool(padded) / share)


def _pooling(operator):
    if max(_dilation(operator)) > 1:
        raise ValueError("dilations are not supported")
    return tuple(operator.attributes["kernel_shape"]), _strides(operator)


def _global_pooling(layer):
    def convert_pooling(operator):
        return Images(layer(keepdims=True, name=operator.name)(operator.images()))

    return convert_pooling


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


def _slope(operator):
    slope = operator.constant(1)
    images = operator.images()
    layer = layers.PReLU(shared_axes=[1, 2], name=operator.name)
    slope = np.broadcast_to(slope.reshape(-1), (images.shape[-1],))
    return Images(_with_weights(layer, images, [slope.reshape(1, 1, -1)]))


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
    return _MOVED_AXES[axis % 4]


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
    if not isinstance(found, Images) and order == _MOVED_AXES:
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


_TABLE = {
    "Add": _elementwise(ops.add, layers.Add),
    "AveragePool": _average_pooling,
    "BatchNormalization": _batch_normalization,
    "Cast": _same,
    "Clip": _activation(_clip),
    "Concat": _concatenation,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Div": _elementwise(ops.divide),
    "Dropout": _same,
    "Elu": _activation(lambda operator: layers.ELU(operator.attributes.get("alpha", 1.0))),
    "Flatten": _flatten,
    "Gemm": _dense,
    "GlobalAveragePool": _global_pooling(layers.GlobalAveragePooling2D),
    "GlobalMaxPool": _global_pooling(layers.GlobalMaxPooling2D),
    "HardSigmoid": _activation(_hard_sigmoid),
    "HardSwish": _layer("hard_silu"),
    "Identity": _same,
    "LeakyRelu": _activation(
        lambda operator: layers.LeakyReLU(
            operator.attributes.get("alpha", 0.01), name=operator.name
        )
    ),
    "MatMul": _dense,
    "Max": _elementwise(ops.maximum),
    "MaxPool": _max_pooling,
    "Min": _elementwise(ops.minimum),
    "Mul": _elementwise(ops.multiply, layers.Multiply),
    "PRelu": _slope,
    "Pad": _padding,
    "ReduceMean": _mean,
    "Relu": _activation(lambda operator: layers.ReLU(name=operator.name)),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _layer("sigmoid"),
    "Slice": _slice,
    "Softmax": _layer("softmax"),
    "Softplus": _layer("softplus"),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _elementwise(ops.subtract),
    "Tanh": _layer("tanh"),
    "Transpose": _transpose,
    "Upsample": _resize,
}
SUPPORTED = tuple(_TABLE)
