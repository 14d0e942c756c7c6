import keras
import numpy as np
import pytest
from PIL import Image

from keras_transfer.backbones import Backbone

RANDOM = np.random.default_rng(0)
CFG = """
[net]
height=8
width=8
channels=2
# a comment
[convolutional]
filters=4
size=3
pad=1
stride=2
batch_normalize=1
activation=leaky

[convolutional]
filters=4
groups=4
size=3
pad=1
activation=linear

[dropout]
probability=.2

[shortcut]
from=-3
activation=relu

[maxpool]
size=3
stride=2

[upsample]
stride=2

[route]
layers=-1,3

[route]
layers=-1
groups=2
group_id=1

[convolutional]
filters=3
size=1
activation=logistic

[yolo]
mask=0
[route]
layers=-2
[convolutional]
filters=2
size=1
"""
# Biases, then scales, means and variances, then the kernel.
SIZES = {
    "first": (4, 12, 4 * 2 * 9),
    "second": (4, 0, 4 * 9),
    "third": (3, 0, 3 * 4),
    "last": (2, 0, 2 * 3),
}


def write(folder, cfg=CFG, change=0):
    """The two files, and the floats by convolution."""
    floats = {
        name: [RANDOM.uniform(0.5, 1, size).astype("float32") for size in sizes]
        for name, sizes in SIZES.items()
    }
    contents = np.concatenate([part for parts in floats.values() for part in parts])
    contents = np.concatenate([contents, np.zeros(max(change, 0), "float32")])
    header = np.array([0, 2, 0, 0, 0], "<i4").tobytes()
    (folder / "net.cfg").write_text(cfg)
    (folder / "net.weights").write_bytes(
        header + contents[: len(contents) + min(change, 0)].tobytes()
    )
    return folder / "net.cfg", folder / "net.weights", floats


def convolved(x, kernel, stride, groups=1):
    """`(batch, rows, columns, channels)` with a kernel `(out, in / groups, 3, 3)`."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = ((size - 3) // stride + 1 for size in x.shape[1:3])
    out = np.zeros((len(x), rows, columns, len(kernel)))
    share = len(kernel) // groups
    for filter_number, one in enumerate(kernel):
        start = filter_number // share * one.shape[0]
        for row, column in np.ndindex(rows, columns):
            part = x[:, row * stride :, column * stride :][:, :3, :3]
            part = part[..., start : start + one.shape[0]]
            out[:, row, column, filter_number] = np.einsum("nhwc,chw->n", part, one)
    return out


def test_sections_compute_what_darknet_computes(tmp_path):
    cfg, weights, floats = write(tmp_path)
    images = RANDOM.integers(0, 256, (2, 8, 8, 2)).astype("float32")
    bias, statistics, kernel = floats["first"]
    scale, mean, variance = statistics.reshape(3, 4)
    x = convolved(images / 255, kernel.reshape(4, 2, 3, 3), 2)
    x = (x - mean) / np.sqrt(variance + 1e-5) * scale + bias
    x = np.where(x > 0, x, 0.1 * x)
    bias, _, kernel = floats["second"]
    y = np.maximum(convolved(x, kernel.reshape(4, 1, 3, 3), 1, groups=4) + bias + x, 0)
    # Darknet pads size - 1 in all, half of it before.
    padded = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    places = [(row, column) for row in (0, 2) for column in (0, 2)]
    pooled = [padded[:, r : r + 3, c : c + 3].max((1, 2)) for r, c in places]
    pooled = np.stack(pooled, 1).reshape(2, 2, 2, 4)
    expected = y  # the second half of the channels of the route
    backbone = Backbone.from_darknet(cfg, weights)
    np.testing.assert_allclose(backbone(images), expected, rtol=1e-4)
    tensor = backbone.get_layer("maxpool_4").output
    np.testing.assert_allclose(keras.Model(backbone.input, tensor)(images), pooled, rtol=1e-4)
    assert (backbone.source.origin, backbone.source.scale) == ("net.weights", 1 / 255)


@pytest.mark.parametrize(
    ("cfg", "change", "message"),
    [
        (CFG, 3, "has 3 floats more"),
        (CFG, -3, r"section 11, \[convolutional\].*end 3 floats too early"),
        (CFG.replace("[dropout]", "[lstm]"), 0, r"section 2, \[lstm\].*is not supported"),
        (CFG.replace("logistic", "step"), 0, "activation=step is not supported"),
        (CFG.replace("from=-3", "from=9"), 0, r"it reads the sections \[9\]"),
        (CFG.replace("filters=4", "filters=x", 1), 0, "filters=x is not a number"),
        (CFG.replace("[net]", "[nothing]"), 0, "does not begin with the section"),
        ("", 0, "has no sections"),
    ],
)
def test_files_that_do_not_fit_are_an_error_of_one_line(cfg, change, message, tmp_path):
    cfg, weights, _ = write(tmp_path, cfg, change)
    with pytest.raises(ValueError, match=message) as caught:
        Backbone.from_darknet(cfg, weights)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        Backbone.from_darknet(cfg, tmp_path / "no.weights")


def test_every_float_of_yolo_fastest_is_read(real_data):
    zoo = real_data / "zoo"
    files = [zoo / f"yolo-fastest-1.1.{end}" for end in ("cfg", "weights")]
    backbone = Backbone.from_darknet(*files)
    assert backbone.output_shape == (None, 10, 10, 96)
    assert [stage.output_shape[1] for stage in backbone.stages] == [160, 80, 40, 20, 10]
    image = Image.open(zoo / "dog.jpg").convert("RGB").resize((320, 320))
    features = backbone.predict(np.asarray(image)[None], verbose=0)
    assert np.isfinite(features).all() and features.std() > 0.1
