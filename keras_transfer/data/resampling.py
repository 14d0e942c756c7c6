"""Random moves of images: where each pixel of the result is read."""

import functools

import tensorflow as tf

# Reflected borders would show objects without a box.
_GREY = 127.0


def resample(images, matrix, shift, interpolation="BILINEAR", fill_mode="REFLECT"):
    """Reads each pixel from `matrix @ pixel + shift`, with the center as origin, x before y.

    With the fill mode "CONSTANT", uncovered borders are grey.
    """
    (a, b), (c, d) = matrix
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    middle_x = (tf.cast(width, "float32") - 1) / 2
    middle_y = (tf.cast(height, "float32") - 1) / 2
    offset_x = shift[0] + middle_x - a * middle_x - b * middle_y
    offset_y = shift[1] + middle_y - c * middle_x - d * middle_y
    if interpolation == "BILINEAR" and can_be_compiled(images):
        return _bilinear(images, tf.stack([a, b, offset_x, c, d, offset_y]), fill_mode)
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, offset_x, c, d, offset_y, zero, zero], axis=1),
        output_shape=(height, width),
        fill_value=_GREY,
        interpolation=interpolation,
        fill_mode=fill_mode,
    )


def can_be_compiled(images):
    """Whether XLA compiles what is done to these images once, and not for each batch."""
    return images.shape[1:].is_fully_defined() and _has_xla()


@functools.cache
def _has_xla():
    """Whether this TensorFlow has XLA for the CPU: some builds have not."""
    try:
        with tf.init_scope(), tf.device("CPU"):
            compiled(tf.identity)(0.0)
    except tf.errors.OpError:
        return False
    return True


# A quarter of the time of TensorFlow's operations; a tenth of a second for each shape.
compiled = functools.partial(tf.function, jit_compile=True, autograph=False)


@compiled
def _bilinear(images, moves, fill_mode):
    """What the kernel of `ImageProjectiveTransformV3` computes, from gathered pixels."""
    a, b, offset_x, c, d, offset_y = tf.unstack(moves[..., None, None])
    count, height, width, channels = tf.unstack(tf.shape(images))
    column = tf.range(tf.cast(width, "float32"))
    row = tf.range(tf.cast(height, "float32"))[:, None]
    x, y = a * column + b * row + offset_x, c * column + d * row + offset_y
    left, top = tf.floor(x), tf.floor(y)
    pixels = tf.reshape(images, (-1, channels))
    first = tf.range(count)[:, None, None] * (height * width)

    def read(x, y):
        within = _reflected(x, width), _reflected(y, height)
        found = tf.gather(pixels, first + within[1] * width + within[0])
        if fill_mode == "REFLECT":
            return found
        is_inside = (within[0] == x) & (within[1] == y)
        return tf.where(is_inside[..., None], found, _GREY)

    def between(y):
        at = tf.cast(left, "int32"), tf.cast(y, "int32")
        return _mixed(read(*at), read(at[0] + 1, at[1]), x - left)

    return _mixed(between(top), between(top + 1), y - top)


def _mixed(first, second, share):
    share = share[..., None]
    return (1.0 - share) * first + share * second


def _reflected(index, size):
    """The index within the image; the border itself is repeated."""
    within = tf.math.floormod(index, 2 * size)
    return tf.minimum(within, 2 * size - 1 - within)
