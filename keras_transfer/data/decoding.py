"""Encoded pictures to pixels, in TensorFlow's own operations.

Training reads its files with these functions, and an exported model decodes a request with
them, so that both see the same pixels.
"""

import tensorflow as tf

_EXIF_HEADER = b"Exif\x00\x00"
_ORIENTATION_TAG = 0x0112


def decode_image(contents, channels=3, orientation=None):
    """Decodes one JPEG, PNG, GIF (first frame) or BMP file; WebP where TensorFlow can.

    All operations are TensorFlow's: the function can be traced, saved and served, and the
    picture's size need not be known. Transparent pixels are laid on white, sixteen bits
    become eight, CMYK becomes RGB. A JPEG is turned upright by its EXIF orientation;
    another format's EXIF is not read. A BMP with a palette is not supported by TensorFlow.

    Args:
        contents: scalar string tensor, the bytes of the file.
        channels: 3 for RGB or 1 for grey.
        orientation: scalar integer tensor, the EXIF orientation (1 to 8) where it is known
            already; None reads it from `contents`.

    Returns:
        uint8 tensor of shape `(height, width, channels)`.

    Example:
        >>> import tensorflow as tf
        >>> from keras_transfer import data
        >>> contents = tf.io.encode_png(tf.zeros((4, 6, 3), "uint8"))
        >>> data.decode_image(contents).shape
        TensorShape([4, 6, 3])
    """
    check_channels(channels)
    is_jpeg = tf.io.is_jpeg(contents)
    image = tf.cond(is_jpeg, lambda: decode_jpeg(contents), lambda: decode_other(contents))
    image.set_shape((None, None, 3))
    if orientation is None:
        orientation = tf.cond(is_jpeg, lambda: exif_orientation(contents), lambda: 1)
    image = orient(image, orientation)
    return tf.image.rgb_to_grayscale(image) if channels == 1 else image


def resize(image, image_size):
    """Stretches a picture, or a batch, to `image_size`; nothing is cropped away.

    Bilinear, and antialiased where it shrinks: without it a large photograph loses every
    detail between the sampled pixels. (Keras' `image_dataset_from_directory` stretches
    too, but does not antialias.)

    Args:
        image: tensor of shape `(height, width, channels)` or `(batch, height, width,
            channels)`, of any size and any numeric type.
        image_size: `(height, width)`, or one integer for both.

    Returns:
        float32 tensor in the range of `image`.

    Example:
        >>> import tensorflow as tf
        >>> from keras_transfer import data
        >>> data.resize(tf.zeros((40, 60, 3), "uint8"), 16).shape
        TensorShape([16, 16, 3])
    """
    size = check_image_size(image_size)
    return tf.image.resize(image, size, method="bilinear", antialias=True)


def decode_jpeg(contents, ratio=1):
    """Decodes a JPEG, not turned, at a `ratio`-th of its size: 1, 2, 4 or 8."""
    # Pillow decodes accurately; TensorFlow's default is a faster, coarser transform.
    return tf.io.decode_jpeg(contents, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")


def decode_other(contents):
    """Decodes what is no JPEG, to RGB."""
    # The formats differ in the `channels` they accept; all accept 0, "as in the file".
    image = tf.io.decode_image(contents, channels=0, expand_animations=False)
    image = tf.ensure_shape(image, (None, None, None))
    num_channels = tf.shape(image)[-1]
    has_alpha = num_channels % 2 == 0
    return tf.cond(
        has_alpha,
        lambda: _on_white(image[..., :-1], image[..., -1:]),
        lambda: _to_rgb(image),
    )


def orient(image, orientation):
    """Turns a picture of shape `(height, width, channels)` upright by its EXIF orientation."""

    def turn():
        # 2, 4, 5, 7 are mirrored; 5 to 8 lie on their side.
        flipped = tf.image.flip_left_right
        transposed = tf.image.transpose
        return tf.switch_case(
            tf.cast(orientation, "int32"),
            [
                lambda: image,
                lambda: image,
                lambda: flipped(image),
                lambda: tf.image.rot90(image, 2),
                lambda: tf.image.flip_up_down(image),
                lambda: transposed(image),
                lambda: flipped(transposed(image)),
                lambda: tf.image.rot90(transposed(image), 2),
                lambda: transposed(flipped(image)),
                lambda: image,
            ],
        )

    turned = tf.cond(orientation > 1, turn, lambda: image)
    turned.set_shape((None, None, image.shape[-1]))
    return turned


def exif_orientation(contents):
    """The orientation, 1 to 8, that a JPEG's EXIF block asks for; 1 where it has none."""
    # EXIF stands in a segment of its own before the pixels: walk from segment to segment.
    contents = tf.strings.substr(contents, 0, 2**18)
    has_exif = tf.strings.regex_full_match(contents, rb"\C*Exif\x00\x00\C*")
    return tf.cond(has_exif, lambda: _walk_to_orientation(contents), lambda: 1)


def check_channels(channels):
    """Raises unless `channels` is 1 or 3."""
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 3 (RGB) or 1 (grey). Received: {channels=}")


def check_image_size(image_size):
    """`(height, width)` from one positive integer or a pair of them."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if (
        not isinstance(size, (tuple, list))
        or len(size) != 2
        or not all(isinstance(side, int) and side > 0 for side in size)
        or isinstance(image_size, bool)
    ):
        raise ValueError(
            "`image_size` must be a positive integer or a pair (height, width) of them. "
            f"Received: image_size={image_size!r}"
        )
    return tuple(size)


def _on_white(color, alpha):
    alpha = tf.cast(alpha, "float32") / 255.0
    blended = tf.cast(color, "float32") * alpha + 255.0 * (1.0 - alpha)
    return _to_rgb(tf.cast(tf.round(blended), "uint8"))


def _to_rgb(color):
    shape = tf.shape(color)
    return tf.broadcast_to(color, (shape[0], shape[1], 3))


def _walk_to_orientation(contents):
    # Zeros at the end let a damaged block read past it; a zero is no valid orientation.
    data = tf.cast(tf.io.decode_raw(contents + b"\x00" * 32, "uint8"), "int32")
    limit = tf.size(data) - 32

    def byte(position):
        return tf.gather(data, tf.clip_by_value(position, 0, limit))

    def is_exif(position):
        header = tf.strings.substr(contents, tf.minimum(position + 4, limit), 6)
        return (byte(position + 1) == 0xE1) & (header == _EXIF_HEADER)

    def more(position):
        is_marker = byte(position) == 0xFF
        return is_marker & (byte(position + 1) != 0xDA) & (position < limit)

    position = tf.while_loop(
        lambda position: more(position) & ~is_exif(position),
        lambda position: [position + 2 + byte(position + 2) * 256 + byte(position + 3)],
        [tf.constant(2)],
    )[0]
    return tf.cond(more(position), lambda: _orientation_in_tiff(byte, position + 10), lambda: 1)


def _orientation_in_tiff(byte, start):
    """The orientation in the TIFF block at `start`; `byte` reads one byte of the file."""
    little_endian = byte(start) == ord("I")

    def short(position):
        first, second = byte(position), byte(position + 1)
        return tf.where(little_endian, first + 256 * second, 256 * first + second)

    # The directory's offset has four bytes, but EXIF blocks are shorter than 65536.
    low_half = tf.where(little_endian, 4, 6)
    directory = start + short(start + low_half)
    entries = directory + 2 + 12 * tf.range(short(directory))
    found = tf.boolean_mask(entries, short(entries) == _ORIENTATION_TAG)
    value = tf.cond(tf.size(found) > 0, lambda: short(found[0] + 8), lambda: 1)
    return tf.where((value >= 1) & (value <= 8), value, 1)
