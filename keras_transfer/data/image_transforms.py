"""Random changes to a batch of images, each a pure function of the batch and a seed.

The same seed gives the same images, in whatever order the batches are processed. (Keras' own
layers count their draws in a variable, which parallel batches reach in any order.) Images are
float32 of shape `(batch, height, width, channels)` in `[0, 255]`; a seed is an integer tensor
of shape `(2,)`.
"""

import math

import tensorflow as tf

from keras_transfer.data.resampling import can_be_compiled, compiled

# ITU-R BT.601, as in `tf.image.rgb_to_grayscale`.
_LUMINANCE = (0.2989, 0.5870, 0.1140)
_LOG_ASPECT = math.log(4 / 3)
# The share of a box that a crop must leave.
_LEAST_REST = 0.25


def split_seed(seed, count):
    """`count` independent seeds from one."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, count))


def random_moves(images, seed, flip, rotation, zoom, crop, translation):
    """The `(matrix, shift)` of one resampling that flips, rotates, zooms, crops and shifts."""
    batch_size, height, width = tf.unstack(tf.cast(tf.shape(images)[:3], "float32"))
    batch_size = tf.cast(batch_size, "int32")
    flip_seed, angle_seed, zoom_seed, crop_seed, shift_seed = split_seed(seed, 5)

    angle = 2 * math.pi * _uniform(angle_seed, (batch_size,), -rotation, rotation)
    scale = 1.0 / _uniform(zoom_seed, (batch_size,), 1 - zoom, 1 + zoom)
    shift = _uniform(shift_seed, (2, batch_size), -translation, translation)
    box, center = _random_crop(crop_seed, batch_size, crop)
    signs = _random_signs(flip_seed, batch_size, flip)

    scale_x, scale_y = scale * box[0] * signs[0], scale * box[1] * signs[1]
    shift_x, shift_y = (shift[0] + center[0]) * width, (shift[1] + center[1]) * height
    # From a pixel of the result, relative to the center, to the pixel to read.
    matrix = [
        [scale_x * tf.cos(angle), -scale_x * tf.sin(angle)],
        [scale_y * tf.sin(angle), scale_y * tf.cos(angle)],
    ]
    return matrix, (shift_x, shift_y)


def move_boxes(boxes, images, matrix, shift):
    """The boxes after `resampling.resample`, each the smallest upright one around what it was.

    Of a box that leaves the image the rest stays, if that is a quarter of it or more; others
    get the class -1.

    Args:
        boxes: float32 `(batch, boxes, 5)`: left, top, right and bottom from 0 to 1, and the
            class, -1 for none.
        images: the batch, for its size.
        matrix: as in `resample`, as `shift`.
        shift: in pixels.
    """
    height, width = tf.unstack(tf.cast(tf.shape(images)[1:3], "float32"))
    left, top, right, bottom, classes = tf.unstack(boxes, axis=-1)
    (a, b), (c, d) = ((part[:, None, None] for part in row) for row in matrix)
    x = (tf.stack([left, right, left, right], axis=-1) - 0.5) * width - shift[0][:, None, None]
    y = (tf.stack([top, top, bottom, bottom], axis=-1) - 0.5) * height - shift[1][:, None, None]
    scale = a * d - b * c
    x, y = (d * x - b * y) / scale / width + 0.5, (a * y - c * x) / scale / height + 0.5
    sides = [tf.reduce_min(x, -1), tf.reduce_min(y, -1), tf.reduce_max(x, -1)]
    moved = tf.stack([*sides, tf.reduce_max(y, -1)], axis=-1)
    kept = tf.clip_by_value(moved, 0.0, 1.0)
    stays = _areas(kept) >= _LEAST_REST * _areas(moved)
    classes = tf.where(stays, classes, -1.0)[..., None]
    return tf.concat([tf.where(classes >= 0, kept, 0.0), classes], axis=-1)


def _areas(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def color(images, seed, brightness, contrast, saturation):
    """Changes brightness, contrast and saturation of each image."""
    shape = (tf.shape(images)[0], 1, 1, 1)
    seeds = split_seed(seed, 3)
    added = 255.0 * _uniform(seeds[0], shape, -brightness, brightness)
    contrasted = _uniform(seeds[1], shape, 1 - contrast, 1 + contrast)
    saturated = _uniform(seeds[2], shape, 1 - saturation, 1 + saturation)
    return adjust_color(images, added, contrasted, saturated)


def adjust_color(images, brightness, contrast, saturation):
    """Adds `brightness`; scales the distances to the mean and to gray by the others."""
    changes = map(tf.convert_to_tensor, (brightness, contrast, saturation))
    adjust = _adjust_compiled if can_be_compiled(images) else _adjust
    return adjust(images, *changes)


def _adjust(images, brightness, contrast, saturation):
    gray = luminance(images)
    mean = tf.reduce_mean(gray, axis=(1, 2), keepdims=True)
    # mean + contrast * (gray + saturation * (images - gray) - mean) + brightness, in an
    # order that needs few passes over the batch.
    of_gray = contrast * (1.0 - saturation) * gray + (1.0 - contrast) * mean + brightness
    return tf.clip_by_value(contrast * saturation * images + of_gray, 0.0, 255.0)


_adjust_compiled = compiled(_adjust)


def luminance(images):
    """The luminance of each pixel, with one channel."""
    if images.shape[-1] == 1:
        return images
    return tf.tensordot(images, tf.constant(_LUMINANCE, shape=(3, 1)), axes=1)


def mixup(images, targets, seed, alpha):
    """Blends each image and its target with another of the batch.

    Reference:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """
    order_seed, weight_seed = split_seed(seed, 2)
    order = _permutation(order_seed, tf.shape(images)[0])
    weight = _beta(weight_seed, tf.shape(images)[0], alpha)
    return (
        _blend(images, tf.gather(images, order), weight[:, None, None, None]),
        _blend(targets, tf.gather(targets, order), weight[:, None]),
    )


def cutmix(images, targets, seed, alpha):
    """Pastes a box of another image of the batch; the targets mix by area.

    Reference:
        Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with
        Localizable Features", ICCV 2019.
    """
    batch_size, height, width = tf.unstack(tf.shape(images)[:3])
    order_seed, weight_seed, place_seed = split_seed(seed, 3)
    order = _permutation(order_seed, batch_size)
    side = tf.sqrt(1.0 - _beta(weight_seed, batch_size, alpha))
    middle = _uniform(place_seed, (2, batch_size), 0.0, 1.0)
    rows, kept_height = _interval(middle[0], side, height)
    columns, kept_width = _interval(middle[1], side, width)
    pasted = (rows[:, :, None] & columns[:, None, :])[..., None]
    # The box may reach over the edge: only the pasted area counts.
    area = tf.cast(kept_height * kept_width, "float32") / tf.cast(height * width, "float32")
    return (
        tf.where(pasted, tf.gather(images, order), images),
        _blend(targets, tf.gather(targets, order), 1.0 - area[:, None]),
    )


def _uniform(seed, shape, low, high):
    return tf.random.stateless_uniform(shape, seed, low, high)


def _random_crop(seed, batch_size, crop):
    """Sides and middles of boxes that cover at least `crop` of the image, as fractions."""
    area_seed, aspect_seed, place_seed = split_seed(seed, 3)
    area = _uniform(area_seed, (batch_size,), crop, 1.0)
    log_aspect = _LOG_ASPECT if crop < 1.0 else 0.0
    aspect = tf.exp(_uniform(aspect_seed, (batch_size,), -log_aspect, log_aspect))
    sides = tf.stack([tf.sqrt(area * aspect), tf.sqrt(area / aspect)])
    sides = tf.minimum(sides, 1.0)
    place = _uniform(place_seed, (2, batch_size), -0.5, 0.5)
    return sides, place * (1.0 - sides)


def _random_signs(seed, batch_size, flip):
    """-1 for a flipped image, else 1: horizontally, then vertically."""
    signs = tf.sign(_uniform(seed, (2, batch_size), -1.0, 1.0))
    one = tf.ones((batch_size,))
    horizontal = flip in ("horizontal", "horizontal_and_vertical")
    vertical = flip in ("vertical", "horizontal_and_vertical")
    # A draw of exactly 0 has sign 0.
    signs = tf.where(signs == 0.0, 1.0, signs)
    return (signs[0] if horizontal else one), (signs[1] if vertical else one)


def _permutation(seed, count):
    return tf.argsort(_uniform(seed, (count,), 0.0, 1.0))


def _beta(seed, count, alpha):
    """Samples Beta(alpha, alpha) from two gamma samples."""
    draws = [
        tf.random.stateless_gamma((count,), one, alpha) + 1e-8 for one in split_seed(seed, 2)
    ]
    return draws[0] / (draws[0] + draws[1])


def _blend(first, second, weight):
    return second + weight * (first - second)


def _interval(middle, side, length):
    """Which of `length` pixels lie within `side` around `middle`, and how many do."""
    extent = tf.cast(length, "float32")
    first = tf.cast(tf.round((middle - side / 2) * extent), "int32")[:, None]
    last = tf.cast(tf.round((middle + side / 2) * extent), "int32")[:, None]
    pixels = tf.range(length)[None, :]
    inside = (pixels >= first) & (pixels < last)
    return inside, tf.reduce_sum(tf.cast(inside, "int32"), axis=1)
