"""Networks of Darknet, from their `.cfg` and `.weights` files."""

import os
import pathlib

import keras
import numpy as np
from keras import layers, ops

# Sections that detect, after the features.
_DETECTIONS = ("yolo", "region", "detection", "Gaussian_yolo")
_ENDS = (*_DETECTIONS, "avgpool", "softmax", "cost")
_INPUT = {"height": 416, "width": 416, "channels": 3}
# Darknet adds it to the variance, in AlexeyAB's version.
_EPSILON = 1e-5
_ACTIVATIONS = {
    "leaky": lambda: layers.LeakyReLU(0.1),
    "relu": layers.ReLU,
    "relu6": lambda: layers.ReLU(6.0),
    "logistic": lambda: layers.Activation("sigmoid"),
    "mish": lambda: layers.Activation("mish"),
    "swish": lambda: layers.Activation("silu"),
    "tanh": lambda: layers.Activation("tanh"),
}


def read_darknet(cfg: str | os.PathLike, weights: str | os.PathLike) -> keras.Model:
    """The part of a network of Darknet before its first detection; every float is read.

    The arguments are those of `Backbone.from_darknet`.
    """
    cfg, weights = (pathlib.Path(path).expanduser() for path in (cfg, weights))
    for path in (cfg, weights):
        if not path.is_file():
            raise FileNotFoundError(f"There is no file '{path}'. Received: {str(path)!r}")
    (first, given), *sections = _sections(cfg)
    if first not in ("net", "network"):
        raise ValueError(f"'{cfg}' does not begin with the section [net]. Received: [{first}]")
    floats = _Floats(weights)
    shape = [_integer(given, key, default) for key, default in _INPUT.items()]
    inputs = keras.Input(shape, name="images")
    outputs: list = []
    for number, (kind, values) in enumerate(sections):
        try:
            tensor = outputs[-1] if outputs else inputs
            outputs.append(_converted(kind, values, tensor, outputs, floats, number))
        except (ValueError, IndexError, KeyError) as error:
            raise ValueError(
                f"Cannot convert section {number}, [{kind}], of '{cfg}' with '{weights}': "
                f"{' '.join(str(error).split())}."
            ) from error
    if floats.left:
        raise ValueError(
            f"'{weights}' has {floats.left} floats more than the network of '{cfg}' needs: "
            "they are of different networks. "
            f"Received: cfg={str(cfg)!r}, weights={str(weights)!r}"
        )
    return keras.Model(
        inputs, outputs[_last_features(sections)], name=cfg.stem.replace("/", "_")
    )


class _Floats:
    """The floats of a weights file, read once in order."""

    def __init__(self, path):
        contents = path.read_bytes()
        major, minor = np.frombuffer(contents[:8].ljust(8, b"\0"), "<i4")
        header = 20 if major * 10 + minor >= 2 else 16
        usable = max(len(contents) - header, 0) // 4 * 4
        self._values = np.frombuffer(contents[header : header + usable], "<f4")

    @property
    def left(self):
        return len(self._values)

    def read(self, *shape):
        number = int(np.prod(shape))
        if number > self.left:
            raise ValueError(f"the weights end {number - self.left} floats too early")
        found, self._values = self._values[:number], self._values[number:]
        return found.reshape(shape)


def _sections(path):
    """`[(kind, {key: value})]` of a `.cfg` file, in order."""
    found: list = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = line.split("#")[0].split(";")[0].strip()
        if line.startswith("["):
            found.append((line.strip("[] "), {}))
        elif "=" in line and found:
            key, _, value = line.partition("=")
            found[-1][1][key.strip()] = value.strip()
    if not found:
        raise ValueError(f"'{path}' has no sections such as [net]. Received: {str(path)!r}")
    return found


def _integer(values, key, default, least=1):
    """A whole number of a section."""
    text = values.get(key, default)
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise ValueError(f"{key}={text} is not a number from {least} on")
    return number


def _last_features(sections):
    """The index of the section whose output the first detection or the classifier reads."""
    ends = [number for number, (kind, _) in enumerate(sections) if kind in _ENDS]
    if not ends:
        return len(sections) - 1
    # Before a detection stands the convolution that predicts.
    is_detection = sections[ends[0]][0] in _DETECTIONS
    return max(ends[0] - (2 if is_detection else 1), 0)


def _converted(kind, values, tensor, outputs, floats, number):
    """The output of a section."""
    if kind == "convolutional":
        return _convolution(values, tensor, floats, number)
    if kind == "maxpool":
        return _max_pooling(values, tensor, number)
    if kind == "shortcut":
        others = [outputs[at] for at in _places(values["from"], number)]
        added = layers.Add(name=f"shortcut_{number}")([tensor, *others])
        return _activated(values, added, number)
    if kind == "route":
        return _route(values, [outputs[at] for at in _places(values["layers"], number)], number)
    if kind == "upsample":
        scale = _integer(values, "stride", 2)
        return layers.UpSampling2D(scale, name=f"upsample_{number}")(tensor)
    if kind == "avgpool":
        return layers.GlobalAveragePooling2D(keepdims=True, name=f"avgpool_{number}")(tensor)
    if kind == "dropout":
        rate = float(values.get("probability", 0.5))
        return layers.Dropout(rate, name=f"dropout_{number}")(tensor)
    if kind in _ENDS:
        return tensor
    raise ValueError(
        "it is not supported; convolutional, maxpool, shortcut, route, upsample, avgpool, "
        "dropout and what detects are"
    )


def _convolution(values, tensor, floats, number):
    filters, size = _integer(values, "filters", 1), _integer(values, "size", 1)
    groups, channels = _integer(values, "groups", 1), tensor.shape[-1]
    strides = tuple(
        _integer(values, f"stride_{axis}", _integer(values, "stride", 1)) for axis in "yx"
    )
    if channels % groups or filters % groups or _integer(values, "dilation", 1) != 1:
        raise ValueError(f"{channels} channels, {filters} filters and {groups} groups")
    normalizes = _integer(values, "batch_normalize", 0, least=0) > 0
    bias = floats.read(filters)
    statistics = [floats.read(filters) for _ in range(3)] if normalizes else []
    kernel = floats.read(filters, channels // groups, size, size)
    pads = _integer(values, "pad", 0, least=0) > 0
    pad = size // 2 if pads else _integer(values, "padding", 0, least=0)
    is_same = strides == (1, 1) and size % 2 == 1 and pad == size // 2
    if pad and not is_same:
        tensor = layers.ZeroPadding2D(pad, name=f"padding_{number}")(tensor)
    arguments = {
        "kernel_size": size,
        "strides": strides,
        "padding": "same" if is_same else "valid",
        "use_bias": not normalizes,
        "name": f"convolutional_{number}",
    }
    if groups == channels == filters > 1 and strides[0] == strides[1]:
        layer = layers.DepthwiseConv2D(**arguments)
        kernel = np.moveaxis(kernel, (0, 1), (-2, -1))
    else:
        layer = layers.Conv2D(filters, groups=groups, **arguments)
        kernel = np.moveaxis(kernel, (0, 1), (-1, -2))
    layer.build(tensor.shape)
    layer.set_weights([kernel] if normalizes else [kernel, bias])
    tensor = layer(tensor)
    if normalizes:
        norm = layers.BatchNormalization(epsilon=_EPSILON, name=f"batch_norm_{number}")
        norm.build(tensor.shape)
        gamma, mean, variance = statistics
        norm.set_weights([gamma, bias, mean, variance])
        tensor = norm(tensor)
    return _activated(values, tensor, number)


def _activated(values, tensor, number):
    name = values.get("activation", "linear")
    if name == "linear":
        return tensor
    if name not in _ACTIVATIONS:
        raise ValueError(f"activation={name} is not supported")
    layer = _ACTIVATIONS[name]()
    layer.name = f"{name}_{number}"
    return layer(tensor)


def _max_pooling(values, tensor, number):
    stride = _integer(values, "stride", 1)
    size = _integer(values, "size", stride)
    padding = _integer(values, "padding", size - 1, least=0)
    name = f"maxpool_{number}"
    if stride == 1 and padding == size - 1:
        return layers.MaxPooling2D(size, 1, "same", name=name)(tensor)
    sides = (padding // 2, padding - padding // 2)
    padded = ops.pad(tensor, ((0, 0), sides, sides, (0, 0)), constant_values=-np.inf)
    return layers.MaxPooling2D(size, stride, name=name)(padded if padding else tensor)


def _places(text, number):
    """The sections that a section reads; negative ones are counted from itself."""
    places = [int(place) for place in text.split(",")]
    places = [number + place if place < 0 else place for place in places]
    if not all(0 <= place < number for place in places):
        raise ValueError(f"it reads the sections {places}, which are not before it")
    return places


def _route(values, tensors, number):
    groups = _integer(values, "groups", 1)
    if groups > 1:
        part = int(values.get("group_id", 0))
        tensors = [_share(tensor, part, groups) for tensor in tensors]
    if len(tensors) == 1:
        return tensors[0]
    return layers.Concatenate(name=f"route_{number}")(tensors)


def _share(tensor, part, groups):
    size = tensor.shape[-1] // groups
    return tensor[..., part * size : (part + 1) * size]
