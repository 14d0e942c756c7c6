"""The operators of ONNX that have weights or a window, as layers of Keras."""

import numpy as np
from keras import layers, ops

from keras_transfer.backbones.onnx_values import Images


def convolution(operator):
    """A `Conv2D`, or a `DepthwiseConv2D` if each channel is a group."""
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


def transposed_convolution(operator):
    """A `Conv2DTranspose`, cropped by the pads."""
    images, kernel = operator.images(), operator.constant(1)
    bias = operator.constant(2) if len(operator.inputs) > 2 else None
    (top, left, bottom, right), given = _pads(operator), operator.attributes
    is_plain = not any(given.get("output_padding", ())) and "output_shape" not in given
    is_plain = is_plain and given.get("auto_pad", "NOTSET") == "NOTSET"
    if _groups(operator) > 1 or max(_dilation(operator)) > 1 or not is_plain:
        raise ValueError("groups, dilations, auto_pad and output paddings are not supported")
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


def batch_normalization(operator):
    """A `BatchNormalization` in inference mode."""
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


def layer_normalization(operator):
    """A `LayerNormalization` of the last axis, that of channels in ConvNeXt."""
    tensor = operator.plain()
    if operator.attributes.get("axis", -1) not in (-1, len(tensor.shape) - 1):
        raise ValueError("another axis than the last one is not supported")
    weights = [operator.constant(index) for index in range(1, len(operator.inputs))]
    epsilon = operator.attributes.get("epsilon", 1e-5)
    layer = layers.LayerNormalization(
        epsilon=epsilon, center=len(weights) > 1, name=operator.name
    )
    return _with_weights(layer, tensor, weights)


def dense(operator):
    """A `Dense` without an activation."""
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


def max_pooling(operator):
    """A `MaxPooling2D`."""
    window, strides = _pooling(operator)
    images, padding = _padded(operator, operator.images(), window, strides, -np.inf)
    layer = layers.MaxPooling2D(window, strides, padding, name=operator.name)
    return Images(layer(images))


def average_pooling(operator):
    """An `AveragePooling2D` that counts its padding or not."""
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


def global_pooling(layer):
    """The function that makes a global pooling of this class."""

    def convert_pooling(operator):
        return Images(layer(keepdims=True, name=operator.name)(operator.images()))

    return convert_pooling


def slope(operator):
    """A `PReLU` with a slope for each channel."""
    slope = operator.constant(1)
    images = operator.images()
    layer = layers.PReLU(shared_axes=[1, 2], name=operator.name)
    slope = np.broadcast_to(slope.reshape(-1), (images.shape[-1],))
    return Images(_with_weights(layer, images, [slope.reshape(1, 1, -1)]))
