"""Images of more than 8 bits, and images of many pixels."""

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data
from keras_transfer.data import decoding
from keras_transfer.data.decoding import decode_and_resize
from keras_transfer.data.image_files import read_images
from tests.photographs import made_up

SIZE = (24, 32)


def deep(seed, highest=4095):
    """Gray values of 16 bits, the last of which is the highest."""
    values = np.random.default_rng(seed).integers(0, highest, SIZE, dtype="uint16")
    values[-1, -1] = highest
    return values


def deep_folder(root, suffix=".png", highest=4095, dtype="uint16"):
    for name in ("dark", "light"):
        (root / name).mkdir(parents=True)
        for seed in range(3):
            values = deep(seed + 10 * (name == "light"), highest).astype(dtype)
            Image.fromarray(values).save(root / name / f"{seed}{suffix}")
    return root


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("highest", "value"), [(4095, 4095), (3000, 4095), (1000, 1023), (2**14, 2**15 - 1)]
)
def test_unused_bits_are_told_with_the_value_to_pass(tmp_path, suffix, highest, value):
    root = deep_folder(tmp_path, suffix, highest)
    message = rf"6 images of 16 bits end at {highest}, .*`value_range={value}` \(--value-range"
    with pytest.warns(data.DataWarning, match=message):
        data.image_folder(root, SIZE, validation_split=None)
    splits = data.image_folder(root, SIZE, validation_split=None, value_range=value)
    assert splits.warnings == ()
    images = np.concatenate([images for images, _ in splits.train_in_order])
    expected = np.rint(deep(0, highest) * (255 / value))
    np.testing.assert_allclose(images[0, ..., 0], expected, atol=1)
    assert len(np.unique(images[0, ..., 0])) > 100


def test_all_bits_need_no_range(tmp_path):
    root = deep_folder(tmp_path, highest=60_000)
    assert data.image_folder(root, SIZE, validation_split=None).warnings == ()
    with pytest.warns(data.DataWarning, match=r"above 4095, the value .* 60000: pass .*65535`"):
        data.image_folder(root, SIZE, validation_split=None, value_range=4095)


def test_the_range_is_part_of_the_fingerprint(tmp_path):
    root = deep_folder(tmp_path)
    found = {
        data.image_folder(root, 8, validation_split=None, value_range=value).fingerprints[
            "train"
        ]
        for value in (4095, 8191)
    }
    assert len(found) == 2


@pytest.mark.parametrize("mode", ["gray", "color", "opacity"])
def test_training_predicting_and_serving_see_the_same_pixels(tmp_path, mode):
    values = deep(1)
    if mode == "gray":
        contents = io.BytesIO()
        Image.fromarray(values).save(contents, "PNG")
        contents = contents.getvalue()
    else:
        layers = [values, deep(2), deep(3)]
        if mode == "opacity":
            layers.append(np.full(SIZE, 65535, "uint16"))
        contents = tf.io.encode_png(np.stack(layers, axis=-1)).numpy()
    (tmp_path / "deep.png").write_bytes(contents)
    dataset, _, unreadable = read_images([tmp_path / "deep.png"], SIZE, value_range=4095)
    assert unreadable == []
    (read,) = np.concatenate(list(dataset))
    served = decode_and_resize(tf.constant(contents), SIZE, value_range=4095).numpy()
    np.testing.assert_allclose(read, served, atol=1e-3)
    np.testing.assert_allclose(read[..., 0], values * (255 / 4095), atol=0.51)


def test_the_range_leaves_images_of_8_bits_alone(tmp_path):
    for name in ("plain.png", "plain.jpg", "plain.gif", "plain.bmp"):
        made_up(0).save(tmp_path / name)
    paths = sorted(tmp_path.iterdir())
    plain, scaled = (
        np.concatenate(list(read_images(paths, 32, value_range=value)[0]))
        for value in (None, 4095)
    )
    np.testing.assert_array_equal(plain, scaled)
    for path in paths:
        served = decode_and_resize(tf.constant(path.read_bytes()), 32, value_range=4095)
        plain = decode_and_resize(tf.constant(path.read_bytes()), 32)
        np.testing.assert_array_equal(served, plain)


def test_floating_point_values_need_a_range(tmp_path):
    root = tmp_path / "images"
    for name in ("dark", "light"):
        (root / name).mkdir(parents=True)
        for seed in range(2):
            values = (deep(seed + 10 * (name == "light")) / 4095).astype("float32")
            values[0, 0] = np.nan
            Image.fromarray(values).save(root / name / f"{seed}.tiff")
    with pytest.raises(ValueError, match=r"0\.tiff: floating-point values up to 1: pass .*"):
        data.image_folder(root, SIZE)
    splits = data.image_folder(root, SIZE, value_range=1.0, validation_split=None)
    images = np.concatenate([images for images, _ in splits.train_in_order])
    assert images[0, 0, 0, 0] == 0
    np.testing.assert_allclose(images[0, 1:, :, 0], deep(0)[1:] * (255 / 4095), atol=1)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "4095"])
def test_a_wrong_range_is_told(folder, value):
    with pytest.raises(ValueError, match="`value_range` must be a positive number"):
        data.image_folder(folder({"a": 2, "b": 2}), 8, value_range=value)


@pytest.fixture
def few_pixels(monkeypatch):
    """Pillow's limit as if photos of 10,000 pixels were gigantic."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    monkeypatch.setattr(decoding, "_MOST_PIXELS", 10_000)
    # A graph keeps the limit with which it was traced.
    trace = decoding._traced_decoder.__wrapped__
    monkeypatch.setattr(decoding, "_traced_decoder", functools.lru_cache(trace))


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
@pytest.mark.parametrize("reduced_decoding", [True, False])
def test_large_jpegs_are_read_at_a_part_of_their_size(
    tmp_path, few_pixels, mode, reduced_decoding, monkeypatch
):
    image = made_up(0, (180, 160))  # 28,800 pixels
    image.convert(mode).save(tmp_path / "large.jpg", quality=95)
    dataset, _, unreadable = read_images(
        [tmp_path / "large.jpg"], 16, reduced_decoding=reduced_decoding
    )
    assert unreadable == []
    (read,) = np.concatenate(list(dataset))
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BOX), "float32")
    assert np.abs(read - expected).mean() < 6
    contents = tf.io.read_file(str(tmp_path / "large.jpg"))
    if mode == "RGB":
        served = decode_and_resize(contents, 16, reduced_decoding=reduced_decoding)
        np.testing.assert_allclose(read, served, atol=1e-3)


def test_a_limit_stays(tmp_path, few_pixels):
    made_up(0, (280, 160)).save(tmp_path / "most.jpg")  # 44,800 pixels
    made_up(0, (180, 160)).save(tmp_path / "waves.jpg", progressive=True)
    made_up(0, (180, 160)).save(tmp_path / "large.png")
    made_up(0, (110, 100)).save(tmp_path / "less.png")
    names = ["most.jpg", "waves.jpg", "large.png", "less.png"]
    _, _, unreadable = read_images([tmp_path / name for name in names], 16)
    reasons = {path[-8:]: reason for path, reason in unreadable}
    assert len(unreadable) == 4
    assert reasons["most.jpg"] == "too many pixels: 44800, more than 40000: scale it down"
    assert reasons["aves.jpg"] == "too many pixels: 28800, more than 20000: scale it down"
    for name, number in (("arge.png", 28800), ("less.png", 11000)):
        assert reasons[name] == (
            f"too many pixels: {number}, more than 10000: scale it down, or convert it to JPEG"
        )


def test_without_a_limit_everything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    made_up(0).save(tmp_path / "one.jpg")
    assert read_images([tmp_path / "one.jpg"], 16)[2] == []


def test_a_tiff_is_turned_once(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = made_up(0, (64, 32))
    image.save(tmp_path / "turned.tiff", exif=exif)
    (read,) = np.concatenate(list(read_images([tmp_path / "turned.tiff"], (64, 32))[0]))
    np.testing.assert_allclose(read, np.asarray(image.rotate(270, expand=True)), atol=1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "LA"])
def test_a_tiff_of_any_mode_is_read(tmp_path, mode):
    image = made_up(0, (64, 32))
    pages = [made_up(1, (64, 32)).convert(mode)]
    image.convert(mode).save(tmp_path / "one.tif", save_all=True, append_images=pages)
    dataset, _, unreadable = read_images([tmp_path / "one.tif"], (32, 64))
    assert unreadable == []
    gray = np.concatenate(list(dataset))[0].mean(axis=(0, 1))
    np.testing.assert_allclose(gray.mean(), np.asarray(image).mean(), atol=12)


def test_transparent_colours_of_a_palette_are_white(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (4, 0, 8, 8))
    image.save(tmp_path / "palette.png", transparency=0)
    (read,) = np.concatenate(list(read_images([tmp_path / "palette.png"], 8)[0]))
    np.testing.assert_array_equal(read[0, 0], [255, 255, 255])
    np.testing.assert_array_equal(read[0, 7], [200, 0, 0])


def test_values_of_32_bits_need_a_range(tmp_path):
    root = deep_folder(tmp_path, ".tif", highest=2**16 - 1)
    Image.fromarray(np.full(SIZE, 100_000, "int32")).save(root / "dark" / "more.tif")
    with pytest.warns(data.DataWarning, match=r"above 65535, .*`value_range=131071`"):
        data.image_folder(root, SIZE, validation_split=None)
    assert (
        data.image_folder(root, SIZE, validation_split=None, value_range=131071).warnings == ()
    )
