"""Requests that would take minutes or gigabytes, and others that must be answered."""

import contextlib
import io
import struct
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import serving
from keras_transfer.data import decoding_limits
from keras_transfer.data.decoding import decode_and_resize
from keras_transfer.data.decoding_limits import MOST_JPEG_PIXELS, MOST_PIXELS, map_images
from tests.serving.models_to_export import NAMES, pixels, small_model, write_pngs

RED, BLUE = (Image.new("RGB", (24, 16), color) for color in ("red", "blue"))
LARGE = 2**16 - 1


@tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
def decoded(encoded):
    return map_images(lambda contents: decode_and_resize(contents, 8), encoded)


@pytest.fixture(scope="module", autouse=True)
def traced():
    decoded(tf.constant([encode(RED, "PNG")]))  # which takes seconds


@contextlib.contextmanager
def within_seconds(number):
    """Asserts how long this process computes, whatever else the machine does."""
    started = time.process_time()
    yield
    assert time.process_time() - started < number


def encode(image, image_format, **arguments):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **arguments)
    return buffer.getvalue()


PNG, JPEG, GIF = (encode(RED, image_format) for image_format in ("PNG", "JPEG", "GIF"))


def chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(width, height, more=b""):
    """The beginning of a PNG: its size is in the header."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more


def jpeg(width, height, scans=0):
    """A JPEG with another size in its header, and more scans."""
    contents = encode(RED.convert("L"), "JPEG", progressive=True)
    start = contents.index(b"\xff\xc2") + 5
    size = struct.pack(">HH", height, width)
    last = contents[contents.rindex(b"\xff\xda") : -2]
    return contents[:start] + size + contents[start + 4 : -2] + last * scans + b"\xff\xd9"


def frame_of(gif):
    return gif[gif.index(b",") : -1]


def gif_of_frame(width, height):
    start = GIF.index(b",") + 5
    return GIF[:start] + struct.pack("<HH", width, height) + GIF[start + 4 :]


def bmp(width, height):
    contents = encode(RED, "BMP")
    return contents[:18] + struct.pack("<ii", width, height) + contents[26:]


def webp(*sides):
    """The beginning of a WebP with an alpha channel."""
    extent = b"".join(struct.pack("<I", side - 1)[:3] for side in sides)
    return b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + extent


TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100)))
REFUSED = {
    "PNG of 900 million": (
        png(30_000, 30_000), f"has 900000000 pixels, more than {MOST_PIXELS}"
    ),
    "PNG of the largest size": (png(2**31 - 1, 2**31 - 1), "pixels, more than"),
    "flat PNG": (png(MOST_PIXELS + 1, 1), f"has {MOST_PIXELS + 1} pixels, more than"),
    "PNG with many texts": (png(24, 16, TEXT * 17), "more than 16 compressed texts"),
    "JPEG of the largest size": (jpeg(65_500, 65_500), f"more than {MOST_JPEG_PIXELS}"),
    "JPEG with many scans": (jpeg(8000, 8000, 50), "pixels in all of its scans"),
    "small JPEG with many scans": (jpeg(24, 16, 2000), "pixels in all of its scans"),
    "GIF with a large frame": (gif_of_frame(LARGE, LARGE), "pixels, more than"),
    "GIF in tiny blocks": (
        GIF[:-1].replace(frame_of(GIF), b"!\xfe" + b"\1a\2ab" * 9000 + b"\0" + frame_of(GIF)),
        "more than 1000 groups of blocks",
    ),
    "BMP of the largest size": (bmp(2**31 - 1, 2**31 - 1), "pixels, more than"),
    "BMP from top to bottom": (bmp(LARGE, -LARGE), "pixels, more than"),
    "WebP of the largest size": (webp(2**24, 2**24), "pixels, more than"),
    "animated WebP": (
        encode(RED, "WEBP", save_all=True, append_images=[BLUE]), "is an animated WebP"
    ),
    "text": (b"no image", "is not a JPEG, PNG, GIF or BMP"),
    "TIFF": (encode(RED, "TIFF"), "is not a JPEG, PNG, GIF or BMP"),
    "nothing": (b"", "is not a JPEG, PNG, GIF or BMP"),
}  # fmt: skip


@pytest.mark.parametrize(("contents", "reason"), REFUSED.values(), ids=REFUSED)
def test_hostile_image_is_refused_before_anything_is_decoded(contents, reason):
    with (
        within_seconds(2),
        pytest.raises(tf.errors.InvalidArgumentError, match=reason) as caught,
    ):
        decoded(tf.constant([PNG, JPEG, contents, b""]))
    assert "Image 2 of the request " in str(caught.value)


def test_every_animated_frame_after_the_first_is_dropped():
    many = GIF[:-1] + frame_of(encode(BLUE, "GIF")) * 100_000 + b";"
    expected = decoded([GIF])[0]
    with within_seconds(2):
        np.testing.assert_array_equal(decoded([many, GIF])[0], expected)


def test_gif_with_tables_and_extensions_keeps_its_first_frame():
    noise = Image.effect_noise((200, 150), 90)
    other = Image.effect_noise((200, 150), 60).point(lambda value: 255 - value)
    contents = encode(
        noise, "GIF", save_all=True, append_images=[other], comment=b"abc" * 1000, loop=0
    )
    expected = decode_and_resize(contents, 8)
    np.testing.assert_array_equal(decoded([contents])[0], expected)
    data = tf.constant(contents)
    _, fault, end = decoding_limits._gif(data)
    assert not fault and int(end) < 0.6 * len(contents)


@pytest.mark.parametrize("part", range(1, 8))
def test_truncated_gif_ends_as_before(part):
    contents = GIF[: len(GIF) * part // 8]
    try:
        expected = decode_and_resize(contents, 8)
    except tf.errors.InvalidArgumentError:
        with pytest.raises(tf.errors.InvalidArgumentError):
            decoded([contents])
    else:
        assert decoded([contents])[0].shape == expected.shape


def test_long_chain_of_segments_takes_no_time():
    chain = JPEG[:2] + b"\xff\xec\x00\x02" * 60_000 + b"\xff\xe1\x00\x08Exif\0\0" + JPEG[2:]
    expected = decoded([JPEG])
    with within_seconds(0.3):
        np.testing.assert_array_equal(decoded([chain]), expected)


@pytest.mark.parametrize(
    ("image_format", "arguments"),
    [
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}),
        ("WEBP", {}), ("WEBP", {"lossless": True}), ("WEBP", {"exif": b"Exif\0\0MM\0*"}),
    ],
)  # fmt: skip
def test_size_in_the_header_is_that_of_pillow(image_format, arguments):
    image = Image.effect_noise((307, 211), 60).convert("RGB")
    contents = encode(image, image_format, **arguments)
    (kind,) = decoding_limits._kinds(tf.constant([contents]))
    count, fault, _ = list(decoding_limits._STARTS)[int(kind)](tf.constant(contents))
    assert int(count) == 307 * 211 and int(fault) == 0
    np.testing.assert_array_equal(decoded([contents])[0], decode_and_resize(contents, 8))


def test_large_images_are_decoded_one_after_the_other(monkeypatch):
    running, most = [0], [0]

    def decode(contents):
        def note(contents):
            running[0] += 1
            most[0] = max(most[0], running[0])
            time.sleep(0.01)
            running[0] -= 1
            return np.float32(len(contents))

        return tf.ensure_shape(tf.numpy_function(note, [contents], tf.float32), ())

    monkeypatch.setattr(decoding_limits, "_MANY_PIXELS", 100)
    answer = tf.function(lambda encoded: map_images(decode, encoded))(tf.constant([PNG] * 8))
    assert answer.numpy().tolist() == [len(PNG)] * 8 and most == [1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    version = serving.export(small_model(), folder, class_names=NAMES)
    return tf.saved_model.load(str(version)).signatures


def test_empty_request_has_an_empty_answer(served):
    requests = {
        "serving_default": {"image_bytes": tf.zeros((0,), tf.string)},
        "images": {"images": tf.zeros((0, 16, 16, 3))},
    }
    for name, request in requests.items():
        shapes = {key: tuple(value.shape) for key, value in served[name](**request).items()}
        assert shapes == {"probabilities": (0, 3), "class_index": (0,), "label": (0,)}


def test_one_bad_image_refuses_the_request_and_the_next_is_answered(served, tmp_path):
    good = [path.read_bytes() for path in write_pngs(pixels(3), tmp_path / "images")]
    for bad in (png(30_000, 30_000), b"text", good[0][:60], JPEG[:100]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            served["serving_default"](image_bytes=tf.constant([*good, bad]))
    answer = served["serving_default"](image_bytes=tf.constant(good))
    assert answer["probabilities"].shape == (3, 3)
