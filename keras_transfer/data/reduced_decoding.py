"""Encoded pictures to pictures of one size; of a large JPEG no more is decoded than is needed.

Training reads its files with these functions, and an exported model decodes a request with
them, so that both see the same pixels.
"""

import functools

import tensorflow as tf

from keras_transfer.data.decoding import (
    check_channels,
    check_image_size,
    decode_image,
    decode_jpeg,
    decode_other,
    exif_orientation,
    orient,
    resize,
)

# What JPEG's transform of eight by eight pixels offers.
_RATIOS = (2, 4, 8)
# The antialiased half of the shrinking, after the decoder's, is what keeps the pixels alike.
# `thumbnail` of Pillow leaves as much by default.
_LEAST_GAP = 2


def decode_and_resize(
    contents, image_size, channels=3, orientation=None, reduced_decoding=True
):
    """Decodes one picture file and stretches it to `image_size`.

    A JPEG can be decoded at a half, a quarter or an eighth of its size. That is done where
    both sides are at least twice `image_size` after it, and the rest of the way is `resize`.
    A smaller JPEG and every other format is decoded as a whole. To 160 or 224 pixels, a
    photograph of 12 megapixels takes 50 to 70% of the time of a whole decoding, and its pixels
    a sixteenth of the memory or less; one of 2 megapixels takes 70 to 80%, and a quarter.

    The pixels differ a little from those of a whole decoding. Where they differ most, on
    photographs barely large enough for the reduction, a pixel does by 0.5 grey levels of 255
    on average at a half, 0.8 at a quarter and 1.0 at an eighth (photographs of ants and bees;
    in the worst one of 133 by 1.3, 2.2 and 3.4).

    Args:
        contents: scalar string tensor, the bytes of the file, as `decode_image` takes it.
        image_size: `(height, width)`, or one integer for both.
        channels: 3 for RGB or 1 for grey.
        orientation: scalar integer tensor, the EXIF orientation (1 to 8) where it is known
            already; None reads it from `contents`.
        reduced_decoding: whether a JPEG may be decoded at a part of its size; False is
            `resize(decode_image(contents), image_size)`.

    Returns:
        float32 tensor of shape `(height, width, channels)` in [0, 255].

    Example:
        >>> import tensorflow as tf
        >>> from keras_transfer import data
        >>> contents = tf.io.encode_jpeg(tf.zeros((400, 600, 3), "uint8"))
        >>> data.decode_and_resize(contents, 16).shape
        TensorShape([16, 16, 3])
    """
    size = check_image_size(image_size)
    check_channels(channels)

    if not reduced_decoding:
        image = resize(decode_image(contents, channels, orientation), size)
        return tf.ensure_shape(image, (*size, channels))

    def jpeg():
        turn = exif_orientation(contents) if orientation is None else orientation
        return *_decode_reduced(contents, least_size(size, turn)), turn

    def other():
        pixels = decode_other(contents)
        extent = tf.cast(tf.shape(pixels)[:2], "float32")
        return pixels, extent, 1 if orientation is None else orientation

    pixels, extent, turn = tf.cond(tf.io.is_jpeg(contents), jpeg, other)
    return tf.ensure_shape(finish(pixels, extent, size, channels, turn), (*size, channels))


def least_size(image_size, orientation):
    """`(height, width)`, not turned, below which a decoder may not shrink a picture."""
    return _LEAST_GAP * _as_stored(image_size, orientation)


def finish(pixels, extent, image_size, channels, orientation):
    """Stretches and turns what a decoder has shrunk.

    Args:
        pixels: uint8 tensor of shape `(height, width, 3)`, not turned.
        extent: `(height, width)` of the picture in these pixels. It is not whole where the
            sides are no multiples of the ratio: the picture then ends within the last pixel.
        image_size: `(height, width)` of the result.
        channels: 3 for RGB or 1 for grey.
        orientation: the EXIF orientation.

    Returns:
        float32 tensor of shape `(height, width, channels)`.
    """
    pixels = tf.ensure_shape(pixels, (None, None, 3))
    if channels == 1:
        pixels = tf.image.rgb_to_grayscale(pixels)
    size = _as_stored(image_size, orientation)
    # This is `resize`, which would take the whole of the last pixel for picture, and so shift
    # the rest: the difference to a whole decoding would be twice as large.
    image = tf.raw_ops.ScaleAndTranslate(
        images=pixels[None],
        size=size,
        scale=tf.cast(size, "float32") / extent,
        translation=tf.zeros(2),
        kernel_type="triangle",
        antialias=True,
    )[0]
    return orient(image, orientation)


def _as_stored(image_size, orientation):
    """`image_size` of a picture that is not turned yet."""
    # 5 to 8 lie on their side.
    return tf.where(orientation > 4, image_size[::-1], image_size)


def _decode_reduced(contents, least):
    """The pixels, at the largest ratio that leaves `least`, and the extent in them."""
    full = tf.image.extract_jpeg_shape(contents)[:2]
    fits = [tf.reduce_all(full >= ratio * least) for ratio in _RATIOS]
    index = tf.reduce_sum(tf.cast(fits, "int32"))
    ratios = (1, *_RATIOS)
    # The ratio is a constant of the operation.
    branches = [functools.partial(decode_jpeg, contents, ratio) for ratio in ratios]
    pixels = tf.switch_case(index, branches)
    return pixels, tf.cast(full, "float32") / tf.gather(tf.constant(ratios, "float32"), index)
