import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_transfer.data.decoding import decode_and_resize, decode_image, exif_orientation
from keras_transfer.data.image_files import decode_with_pillow


def encode(image, image_format, **arguments):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **arguments)
    return buffer.getvalue()


def with_orientation(orientation, before=None):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "PNG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("RGBA", "PNG"),
        ("LA", "PNG"),
        ("RGB", "BMP"),
        ("RGB", "GIF"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_tensorflow_and_pillow_decode_alike(make_image, tmp_path, mode, image_format, channels):
    image = make_image(mode=mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(make_image(seed=1, mode="L"))
    path = tmp_path / "image"
    path.write_bytes(encode(image, image_format))
    expected = decode_with_pillow(path)[0]
    if channels == 1:
        expected = tf.image.rgb_to_grayscale(expected).numpy()
    decoded = decode_image(path.read_bytes(), channels).numpy()
    assert decoded.dtype == np.uint8
    assert decoded.shape == (24, 32, channels)
    np.testing.assert_allclose(decoded.astype(int), expected.astype(int), atol=1)


def test_sixteen_bit_grey_keeps_the_upper_half(tmp_path):
    levels = np.arange(0, 65536, 257, dtype="uint16").reshape(16, 16)
    path = tmp_path / "deep.png"
    Image.fromarray(levels).save(path)
    # 257 * n is n in the upper byte and n in the lower one.
    expected = np.repeat(np.arange(256, dtype="uint8").reshape(16, 16, 1), 3, axis=2)
    np.testing.assert_array_equal(decode_with_pillow(path)[0], expected)
    np.testing.assert_array_equal(decode_image(path.read_bytes()), expected)


def test_transparent_pixels_become_white(tmp_path):
    path = tmp_path / "glass.png"
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(path)
    assert decode_image(path.read_bytes()).numpy().min() == 255
    assert decode_with_pillow(path)[0].min() == 255


def test_palette_with_transparency_becomes_white(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.putpixel((0, 0), 0)
    path = tmp_path / "glass.png"
    image.save(path, transparency=1)
    decoded = decode_with_pillow(path)[0]
    assert decoded[0, 0].max() == 0
    assert decoded[1:].min() == 255
    np.testing.assert_array_equal(decode_image(path.read_bytes()), decoded)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_a_jpeg_upright(make_image, orientation):
    contents = encode(make_image(), "JPEG", exif=with_orientation(orientation), quality=95)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(contents)))
    decoded = decode_image(contents).numpy()
    np.testing.assert_allclose(decoded.astype(int), np.asarray(upright).astype(int), atol=1)
    assert int(exif_orientation(contents)) == orientation


@pytest.mark.parametrize("endian", ["<", ">"])
def test_orientation_is_read_in_both_byte_orders(make_image, endian):
    exif = Image.Exif()
    exif.endian = endian
    exif[0x0112] = 6
    contents = encode(make_image(), "JPEG", exif=exif.tobytes())
    assert int(exif_orientation(contents)) == 6


def test_orientation_is_found_behind_other_segments(make_image):
    plain = encode(make_image(), "JPEG", exif=with_orientation(8))
    comment = b"\xff\xfe\x00\x20" + b"Exif\x00\x00 is the name of a header..."[:30]
    assert int(exif_orientation(plain[:2] + comment + plain[2:])) == 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda contents: contents.replace(b"Exif\x00\x00", b"Exif\x00\x00\xff\xff\xff\xff"),
        lambda contents: contents[: contents.index(b"Exif") + 9],
        lambda contents: contents[:2] + contents[contents.index(b"Exif") :],
        lambda contents: b"\xff\xd8" + b"Exif\x00\x00",
        lambda contents: b"",
    ],
)
def test_damaged_exif_counts_as_upright(make_image, damage):
    contents = encode(make_image(), "JPEG", exif=with_orientation(6))
    assert int(exif_orientation(damage(contents))) == 1


def test_plain_jpeg_is_upright(make_image):
    assert int(exif_orientation(encode(make_image(), "JPEG"))) == 1


@pytest.mark.parametrize(("image_format", "is_jpeg"), [("JPEG", True), ("PNG", False)])
def test_a_known_format_is_decoded_alone(make_image, image_format, is_jpeg):
    contents = encode(make_image(), image_format)
    decode = tf.function(lambda one: decode_and_resize(one, 16, is_jpeg=is_jpeg))
    np.testing.assert_array_equal(decode(contents), decode_and_resize(contents, 16))
    library = (
        decode.get_concrete_function(tf.TensorSpec((), "string")).graph.as_graph_def().library
    )
    kinds = {node.op for function in library.function for node in function.node_def}
    assert ("DecodeJpeg" in kinds) is is_jpeg
    assert ("DecodeImage" in kinds) is not is_jpeg


def test_decoding_and_resizing_can_be_served(make_image, tmp_path):
    class Server(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
        def serve(self, contents):
            return tf.map_fn(
                lambda one: decode_and_resize(one, 16),
                contents,
                fn_output_signature=tf.TensorSpec((16, 16, 3), "float32"),
            )

    images = [
        encode(make_image(size=(40, 60)), "JPEG", exif=with_orientation(6)),
        encode(make_image(mode="RGBA"), "PNG"),
        encode(make_image(), "GIF"),
    ]
    tf.saved_model.save(Server(), str(tmp_path / "served"))
    served = tf.saved_model.load(str(tmp_path / "served")).serve(tf.constant(images))
    expected = [decode_and_resize(one, 16) for one in images]
    np.testing.assert_allclose(served, expected, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(33, 18), (40, 47), (64, 48)])
def test_shrinking_averages_the_area_of_each_pixel(make_image, height, width):
    image = make_image(size=(64, 48))
    shrunk = decode_and_resize(encode(image, "PNG"), (height, width))
    # Each pixel in as many parts as there will be, so that a new one consists of whole parts.
    parts = np.kron(np.asarray(image, "float32"), np.ones((height, width, 1)))
    expected = parts.reshape(height, 64, width, 48, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shrunk, expected, atol=1e-2)


def test_shrinking_averages_what_lies_between_the_samples():
    stripes = np.zeros((64, 64, 3), "uint8")
    stripes[::2] = 255
    # Every second row is white: the average is 127.5 everywhere but at the edges.
    shrunk = decode_and_resize(encode(Image.fromarray(stripes), "PNG"), 16).numpy()[2:-2]
    np.testing.assert_allclose(shrunk, 127.5, atol=1)


@pytest.mark.parametrize("size", [(80, 96), (128, 20)])  # an axis may shrink
def test_enlarging_is_bilinear(make_image, size):
    image = make_image(size=(64, 48))
    enlarged = decode_and_resize(encode(image, "PNG"), size[::-1])
    expected = image.resize(size, Image.Resampling.BILINEAR)
    np.testing.assert_allclose(enlarged, expected, atol=1)


@pytest.mark.parametrize("channels", [0, 2, 4, "rgb"])
def test_other_channels_are_refused(channels):
    with pytest.raises(ValueError, match="`channels` must be 3"):
        decode_image(b"", channels)


@pytest.mark.parametrize(
    "image_size", [0, -1, 1.5, "160", (160,), (1, 2, 3), (0, 8), True, None]
)
def test_other_image_sizes_are_refused(image_size):
    with pytest.raises(ValueError, match="`image_size` must be a positive integer or a pair"):
        decode_and_resize(b"", image_size)
