"""Encoded images to pixels, in TensorFlow operations only.

Training reads its files with these functions, and an exported model decodes its requests with
them: both see the same pixels.
"""

import functools

import tensorflow as tf

_EXIF_HEADER = b"Exif\x00\x00"
_ORIENTATION_TAG = 0x0112
# Segments of a JPEG before its EXIF block, which is the first or the second one.
_MOST_SEGMENTS = 64
# The scales that JPEG's transform of 8 by 8 pixels offers beside 1.
_RATIOS = (2, 4, 8)
# The decoder leaves at least twice the target size: the antialiased resizing that follows keeps
# the pixels close to those of a full decoding. `Image.thumbnail` of Pillow uses 2 as well.
_LEAST_GAP = 2
# Pixels of a side that can be asked for; with more, memory runs out.
_LARGEST_SIDE = 8192
# Pillow's limit: more are decoded at a part of their size, whatever was asked for.
_MOST_PIXELS = 2**30 // 4 // 3


def decode_image(contents, channels=3, orientation=None, value_range=None):
    """Decodes one JPEG, PNG, GIF (first frame) or BMP file to uint8; WebP where TensorFlow can.

    It can be traced, saved and served for images of unknown size. Transparent pixels are
    blended with white, CMYK is converted to RGB, and of 16 bits the upper 8 remain; with a
    `value_range`, that value becomes white. A JPEG is rotated upright by `orientation` (1 to
    8), by default its EXIF orientation; the EXIF data of other formats are ignored. TensorFlow
    cannot decode a BMP with a palette.

    Raises:
        ValueError: if `channels` is neither 1 nor 3.
        tf.errors.InvalidArgumentError: if the file is corrupt or has another format.
    """
    check_channels(channels)
    is_jpeg = tf.io.is_jpeg(contents)
    image = tf.cond(
        is_jpeg,
        lambda: decode_jpeg(contents),
        lambda: _decode_other(contents, value_range),
    )
    image.set_shape((None, None, 3))
    if orientation is None:
        orientation = tf.cond(is_jpeg, lambda: exif_orientation(contents), lambda: 1)
    return convert(orient(image, orientation), channels)


def decode_and_resize(
    contents, image_size, channels=3, orientation=None, reduced_decoding=True, value_range=None,
    is_jpeg=None,
):  # fmt: skip
    """Decodes one image file and stretches it to `image_size`: float32 in `[0, 255]`.

    `is_jpeg` is True or False if that is known, which makes a pass over the files begin sooner.

    With `reduced_decoding`, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size if both sides are
    still at least twice `image_size` afterwards; an antialiased resizing does the rest. For a
    target of 160 or 224 pixels, a photo of 12 megapixels takes 50 to 70% of the time of a full
    decoding and 1/16 of the memory or less; one of 2 megapixels takes 70 to 80% of the time and
    1/4 of the memory.

    The pixels differ slightly from those of a full decoding, most for photos barely large
    enough for a reduction: on average 0.5 gray levels of 255 at 1/2, 0.8 at 1/4 and 1.0 at 1/8
    (photos of ants and bees; 1.3, 2.2 and 3.4 in the worst of 133 photos). Without it, only a
    JPEG of more than 89 million pixels is reduced, which would not fit into memory.

    Example:
        >>> contents = tf.io.encode_jpeg(tf.zeros((400, 600, 3), "uint8"))
        >>> decode_and_resize(contents, 16).shape
        TensorShape([16, 16, 3])
    """
    arguments = check_image_size(image_size), channels, reduced_decoding, value_range, is_jpeg
    check_channels(channels)
    if not tf.executing_eagerly():
        known = [] if orientation is None else [orientation]
        return _traced_decoder(len(known), *arguments)(contents, *known)
    return _decode_and_resize(contents, *arguments, orientation)


@functools.lru_cache(maxsize=16)
def _traced_decoder(number_known, *arguments):
    """A graph takes half a second to trace: all datasets and exports of a process share it."""
    return tf.function(
        lambda contents, *known: _decode_and_resize(contents, *arguments, *known),
        input_signature=[tf.TensorSpec((), "string")]
        + number_known * [tf.TensorSpec((), "int32")],
        autograph=False,
    )


def _decode_and_resize(
    contents, size, channels, reduced_decoding, value_range, is_jpeg, orientation=None
):
    def jpeg():
        rotation = exif_orientation(contents) if orientation is None else orientation
        least = least_size(size, rotation)
        return *_decode_reduced(contents, least, always=reduced_decoding), rotation

    def other():
        pixels = _decode_other(contents, value_range)
        extent = tf.cast(tf.shape(pixels)[:2], "float32")
        return pixels, extent, 1 if orientation is None else orientation

    if is_jpeg is None:
        pixels, extent, rotation = tf.cond(tf.io.is_jpeg(contents), jpeg, other)
    else:
        pixels, extent, rotation = jpeg() if is_jpeg else other()
    image = resize_decoded(pixels, extent, size, channels, rotation)
    return tf.ensure_shape(image, (*size, channels))


def least_size(image_size, orientation):
    """The `(height, width)` before rotation that a reduced decoding must leave."""
    return _LEAST_GAP * _size_before_rotation(image_size, orientation)


def resize_decoded(pixels, extent, image_size, channels, orientation):
    """Stretches and rotates uint8 pixels to float32 of `image_size`, antialiased.

    `extent` is `(height, width)` of the image in pixels that a decoder may have reduced. These
    are fractions where the sides of the file are no multiples of the ratio: the image ends
    within the last pixel. (Keras' `image_dataset_from_directory` does not antialias: a large
    photo loses all detail between the sampled pixels.)
    """
    pixels = convert(tf.ensure_shape(pixels, (None, None, 3)), channels)
    size = _size_before_rotation(image_size, orientation)

    def by_weights():
        return tf.raw_ops.ScaleAndTranslate(
            images=pixels[None],
            size=size,
            scale=tf.cast(size, "float32") / tf.cast(extent, "float32"),
            translation=tf.zeros(2),
            kernel_type="triangle",
            antialias=True,
        )[0]

    def by_area():
        return tf.raw_ops.ResizeArea(images=pixels[None], size=size)[0]

    def bilinear():
        return tf.image.resize(pixels, size)

    # Only an image of at least twice the size may be reduced, and end within a pixel. All of
    # these are resized by weights, reduced or not, which takes four times as long.
    decoded = tf.shape(pixels)[:2]
    is_large = tf.reduce_all(decoded >= _LEAST_GAP * size)
    is_shrunk, is_enlarged = tf.reduce_all(decoded >= size), tf.reduce_all(decoded <= size)
    index = tf.where(is_shrunk & ~is_large, 1, tf.where(is_enlarged, 2, 0))
    image = tf.switch_case(index, [by_weights, by_area, bilinear])
    return orient(image, orientation)


def decode_jpeg(contents, ratio=1):
    """Decodes a JPEG to RGB at 1/`ratio` of its size, not rotated."""
    # Pillow decodes accurately; TensorFlow's default is a faster, less accurate transform.
    return tf.io.decode_jpeg(contents, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")


def convert(image, channels):
    """RGB to `channels`: 3 or 1."""
    return tf.image.rgb_to_grayscale(image) if channels == 1 else image


def orient(image, orientation):
    """Rotates and mirrors an image of shape `(height, width, channels)` upright."""
    orientation = tf.convert_to_tensor(orientation)

    def upright():
        turned = tf.cond(orientation > 4, lambda: tf.image.transpose(image), lambda: image)
        step_down = tf.where((orientation % 4 == 3) | (orientation % 4 == 0), -1, 1)
        step_right = tf.where((orientation % 4 == 2) | (orientation % 4 == 3), -1, 1)
        return turned[::step_down, ::step_right]

    turned = tf.cond(orientation > 1, upright, lambda: image)
    turned.set_shape((None, None, image.shape[-1]))
    return turned


def exif_orientation(contents):
    """The orientation (1 to 8) in a JPEG's EXIF block; 1 if there is none."""
    # The EXIF block is a segment of its own before the pixels.
    contents = tf.strings.substr(contents, 0, 2**18)
    has_exif = tf.strings.regex_full_match(contents, rb"\C*Exif\x00\x00\C*")
    return tf.cond(has_exif, lambda: _find_orientation(contents), lambda: 1)


def check_channels(channels):
    """Raises `ValueError` unless `channels` is 1 or 3."""
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 3 (RGB) or 1 (grayscale). Received: {channels=}")


def check_image_size(image_size):
    """`(height, width)` from one positive integer or a pair of them."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if (
        not isinstance(size, (tuple, list))
        or len(size) != 2
        or not all(isinstance(side, int) and 0 < side <= _LARGEST_SIDE for side in size)
        or isinstance(image_size, bool)
    ):
        raise ValueError(
            "`image_size` must be a positive integer or a pair (height, width) of them, at "
            f"most {_LARGEST_SIDE}. Received: image_size={image_size!r}"
        )
    return tuple(size)


def _size_before_rotation(image_size, orientation):
    # Orientations 5 to 8 swap height and width.
    return tf.where(orientation > 4, image_size[::-1], image_size)


def _decode_reduced(contents, least, always=True):
    """The pixels at the largest ratio that leaves `least`, and the image's extent in them."""
    full = tf.image.extract_jpeg_shape(contents)[:2]
    fits = tf.reduce_all(full >= tf.constant(_RATIOS)[:, None] * least, axis=1)
    if not always:
        fits &= tf.reduce_prod(tf.cast(full, "int64")) > _MOST_PIXELS
    index = tf.reduce_sum(tf.cast(fits, "int32"))
    ratios = (1, *_RATIOS)
    # `ratio` is a constant of the operation, hence one branch for each.
    branches = [functools.partial(decode_jpeg, contents, ratio) for ratio in ratios]
    pixels = tf.switch_case(index, branches)
    return pixels, tf.cast(full, "float32") / tf.gather(tf.constant(ratios, "float32"), index)


def _decode_other(contents, value_range=None):
    """Decodes other formats than JPEG to RGB."""

    def plain():
        # The formats differ in the `channels` they accept; all accept 0, "as in the file".
        return tf.io.decode_image(contents, channels=0, expand_animations=False)

    if value_range is None:
        image = plain()
    else:
        image = tf.cond(
            _is_deep_png(contents), lambda: _decode_deep_png(contents, value_range), plain
        )
    image = tf.ensure_shape(image, (None, None, None))
    height, width, num_channels = tf.unstack(tf.shape(image))

    def on_white():
        alpha = tf.cast(image[..., -1:], "float32") / 255.0
        blended = tf.cast(image[..., :-1], "float32") * alpha + 255.0 * (1.0 - alpha)
        return tf.cast(tf.round(blended), "uint8")

    image = tf.cond(num_channels % 2 == 0, on_white, lambda: image)
    return tf.broadcast_to(image, (height, width, 3))


def _is_deep_png(contents):
    """Whether the file is a PNG of 16 bits, by its header."""
    header = tf.strings.substr(contents, 0, 25) + b"\0" * 25  # of a file that may be short
    is_png = tf.strings.substr(header, 0, 8) == b"\x89PNG\r\n\x1a\n"
    return is_png & (tf.strings.substr(header, 24, 1) == b"\x10")


def _decode_deep_png(contents, value_range):
    """Decodes a PNG of 16 bits to 8, `value_range` to white."""
    image = tf.cast(tf.io.decode_png(contents, channels=0, dtype="uint16"), "float32")
    num_channels = tf.shape(image)[-1]
    # The last of 2 or 4 channels is the opacity, which has all 16 bits.
    is_opacity = (num_channels % 2 == 0) & (tf.range(num_channels) == num_channels - 1)
    scaled = image * tf.where(
        is_opacity, 255 / 65535, tf.constant(255 / value_range, "float32")
    )
    return tf.cast(tf.round(tf.clip_by_value(scaled, 0.0, 255.0)), "uint8")


def _find_orientation(contents):
    # Trailing zeros catch reads beyond the end of a corrupt block: 0 is not an orientation.
    data = tf.cast(tf.io.decode_raw(contents + b"\x00" * 32, "uint8"), "int32")
    limit = tf.size(data) - 32

    def byte(position):
        return tf.gather(data, tf.clip_by_value(position, 0, limit))

    def is_exif(position):
        header = tf.strings.substr(contents, tf.minimum(position + 4, limit), 6)
        return (byte(position + 1) == 0xE1) & (header == _EXIF_HEADER)

    def is_segment(position):
        is_marker = byte(position) == 0xFF
        return is_marker & (byte(position + 1) != 0xDA) & (position < limit)

    position = tf.while_loop(
        lambda position: is_segment(position) & ~is_exif(position),
        lambda position: [position + 2 + byte(position + 2) * 256 + byte(position + 3)],
        [tf.constant(2)],
        maximum_iterations=_MOST_SEGMENTS,
    )[0]
    return tf.cond(
        is_segment(position) & is_exif(position),
        lambda: _orientation_in_tiff(byte, position + 10),
        lambda: 1,
    )


def _orientation_in_tiff(byte, start):
    """The orientation in the TIFF block at `start`; `byte` reads one byte of the file."""
    little_endian = byte(start) == ord("I")

    def short(position):
        first, second = byte(position), byte(position + 1)
        return tf.where(little_endian, first + 256 * second, 256 * first + second)

    # The offset of the directory has four bytes, but EXIF blocks are shorter than 65536.
    directory = start + short(start + tf.where(little_endian, 4, 6))
    entries = directory + 2 + 12 * tf.range(short(directory))
    found = tf.boolean_mask(entries, short(entries) == _ORIENTATION_TAG)
    value = tf.cond(tf.size(found) > 0, lambda: short(found[0] + 8), lambda: 1)
    return tf.where((value >= 1) & (value <= 8), value, 1)
