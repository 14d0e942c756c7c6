import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer.data import decoding
from keras_transfer.data.decoding import decode_and_resize, decode_image, resize_decoded
from keras_transfer.data.image_files import decode_with_pillow, read_images

# Neither side is a multiple of 2, 4 or 8.
UNEVEN = (403, 301)


def encode(image, image_format="JPEG", orientation=1, **arguments):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, image_format, exif=exif.tobytes(), **arguments)
    return buffer.getvalue()


def whole(contents, image_size, channels=3, turned=1):
    """Turned upright before it is resized, or afterwards by `turned`, which rounds as well."""
    pixels = decode_image(contents, orientation=None if turned == 1 else 1)
    size = decoding.check_image_size(image_size)
    return resize_decoded(pixels, tf.shape(pixels)[:2], size, channels, turned).numpy()


def mean_difference(first, second):
    return np.abs(np.asarray(first) - np.asarray(second)).mean()


@pytest.fixture
def ratios(monkeypatch):
    """The ratios that were decoded at."""
    used = []
    decode = decoding.decode_jpeg

    def record(contents, ratio=1):
        used.append(ratio)
        return decode(contents, ratio)

    monkeypatch.setattr(decoding, "decode_jpeg", record)
    return used


@pytest.mark.parametrize(
    ("size", "orientation", "target", "ratio"),
    [
        ((127, 200), 1, 32, 1),
        ((128, 200), 1, 32, 2),  # 128 / 2 = 64 = 2 * 32
        ((200, 128), 1, 32, 2),
        ((128, 2000), 1, 32, 2),  # the shorter side counts
        ((255, 256), 1, 32, 2),
        ((256, 256), 1, 32, 4),
        ((512, 512), 1, 32, 8),
        ((2048, 2048), 1, 32, 8),  # there is no sixteenth
        ((128, 256), 1, (32, 64), 2),
        ((128, 256), 1, (64, 32), 1),
        ((128, 256), 6, (64, 32), 2),  # on its side, it is 256 high
        ((128, 256), 6, (32, 64), 1),
    ],
)
def test_twice_the_target_is_left_by_the_decoder(
    make_image, ratios, size, orientation, target, ratio
):
    contents = encode(make_image(size=size), orientation=orientation)
    image = decode_and_resize(contents, target)
    assert ratios == [ratio]
    # Pillow finds the same one.
    least = decoding.least_size(image.shape[:2], orientation)
    pixels, extent = decode_with_pillow(io.BytesIO(contents), least)
    np.testing.assert_allclose(extent, np.array(size) / ratio)
    assert pixels.shape == (*-(-np.array(size) // ratio), 3)


@pytest.mark.parametrize("target", [100, 70, 35, 18])  # a whole, a half, a quarter, an eighth
@pytest.mark.parametrize("arguments", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGB", 1), ("L", 1), ("CMYK", 3)])
def test_pixels_differ_little_from_a_whole_decoding(
    make_image, target, arguments, mode, channels
):
    contents = encode(make_image(size=UNEVEN, mode=mode), **arguments)
    image = decode_and_resize(contents, target, channels).numpy()
    assert image.dtype == np.float32
    assert image.shape == (target, target, channels)
    assert mean_difference(image, whole(contents, target, channels)) < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_image_is_turned_upright(make_image, orientation):
    contents = encode(make_image(size=UNEVEN), orientation=orientation)
    image = decode_and_resize(contents, (20, 30))
    np.testing.assert_allclose(image, whole(contents, (20, 30)), atol=3)
    known = decode_and_resize(contents, (20, 30), orientation=tf.constant(orientation))
    np.testing.assert_array_equal(known, image)


def test_the_last_pixel_counts_by_its_part():
    # An eighth of 401 ends with a pixel of which one column is make_image, seven are not.
    ramp = np.tile(np.linspace(0, 255, 401), (401, 1)).astype("uint8")
    contents = encode(Image.fromarray(ramp), quality=100)
    image = decode_and_resize(contents, 25, channels=1)
    np.testing.assert_allclose(image[..., 0], whole(contents, 25, 1)[..., 0], atol=1)


def test_what_is_not_reduced_keeps_its_pixels(make_image):
    small = encode(make_image(size=(60, 60)))
    png = encode(make_image(size=UNEVEN), "PNG")
    for contents in (small, png):
        for channels in (1, 3):
            image = decode_and_resize(contents, 16, channels)
            np.testing.assert_array_equal(image, whole(contents, 16, channels))


def test_reducing_can_be_left_out(make_image, ratios):
    contents = encode(make_image(size=UNEVEN), orientation=6)
    image = decode_and_resize(contents, 20, reduced_decoding=False)
    np.testing.assert_array_equal(image, whole(contents, 20, turned=6))
    assert set(ratios) == {1}


@pytest.mark.parametrize("contents", [b"", b"\xff\xd8\xff", b"no image"])
def test_damage_is_met_as_by_a_whole_decoding(contents):
    for function in (whole, decode_and_resize):
        with pytest.raises(tf.errors.InvalidArgumentError):
            function(contents, 8)


def test_a_truncated_jpeg_is_refused(make_image):
    contents = encode(make_image(size=UNEVEN), quality=95)[:-400]
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_and_resize(contents, 20)


@pytest.mark.parametrize("reduced", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_and_bytes_give_the_same_pixels(make_image, tmp_path, channels, reduced):
    written = {
        "plain.jpg": encode(make_image(size=UNEVEN)),
        "turned.jpg": encode(make_image(1, size=UNEVEN), orientation=5),
        "grey.jpg": encode(make_image(2, size=UNEVEN, mode="L")),
        "cmyk.jpg": encode(make_image(3, size=UNEVEN, mode="CMYK")),  # Pillow decodes it
        "turned_cmyk.jpg": encode(make_image(3, size=UNEVEN, mode="CMYK"), orientation=8),
        "plain.png": encode(make_image(4, size=UNEVEN), "PNG"),
    }
    for name, contents in written.items():
        (tmp_path / name).write_bytes(contents)
    dataset, paths, _ = read_images(
        [tmp_path / name for name in written],
        (20, 30),
        channels,
        reduced_decoding=reduced,
    )
    assert len(paths) == len(written)
    for image, (name, contents) in zip(
        np.concatenate(list(dataset)), written.items(), strict=True
    ):
        served = decode_and_resize(contents, (20, 30), channels, reduced_decoding=reduced)
        np.testing.assert_allclose(image, served, atol=1.5 if "cmyk" in name else 1e-3)


def test_pillow_shrinks_nothing_but_jpegs(make_image, tmp_path):
    for image_format in ("PNG", "WEBP", "GIF", "BMP"):
        path = tmp_path / "image"
        make_image(size=UNEVEN).save(path, image_format)
        pixels, extent = decode_with_pillow(path, (8, 8))
        np.testing.assert_array_equal(pixels, decode_with_pillow(path)[0])
        np.testing.assert_array_equal(extent, UNEVEN)


@pytest.mark.parametrize("arguments", [{"image_size": 0}, {"image_size": 4, "channels": 2}])
def test_wrong_arguments_are_told(arguments):
    with pytest.raises(ValueError, match="Received"):
        decode_and_resize(b"", **arguments)


# The worst photographs are barely large enough. Mean, worst of 40: the docstring's figures.
@pytest.mark.parametrize(("ratio", "mean", "worst"), [(2, 0.7, 1.5), (4, 1, 2.5), (8, 1.3, 4)])
def test_photographs_differ_as_the_documentation_says(real_data, ratios, ratio, mean, worst):
    differences = []
    for path in sorted((real_data / "hymenoptera" / "val").glob("*/*.jpg"))[:40]:
        contents = path.read_bytes()
        target = min(decode_image(contents).shape[:2]) // (2 * ratio)
        image = decode_and_resize(contents, target)
        differences.append(mean_difference(image, whole(contents, target)))
    assert set(ratios) == {1, ratio}  # 1 for the comparison
    assert np.mean(differences) < mean
    assert np.max(differences) < worst
