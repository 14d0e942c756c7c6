"""RandAugment: two of fourteen operations, drawn for each image."""

import math

import tensorflow as tf

from keras_transfer.data.image_transforms import adjust_color, split_seed
from keras_transfer.data.resampling import resample

NUM_OPERATIONS = 2


def rand_augment(images, seed, magnitude):
    """Applies two of fourteen operations, drawn for each image, and computes only these.

    (`keras.layers.RandAugment` computes every operation for the whole batch and then selects,
    which is slower than a small network.)

    Reference:
        Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
        space", NeurIPS 2020.
    """
    batch_size = tf.shape(images)[0]
    choice_seed, sign_seed = split_seed(seed, 2)
    shape = (batch_size, NUM_OPERATIONS)
    choices = tf.random.stateless_uniform(shape, choice_seed, 0, len(_OPERATIONS), "int32")
    signs = tf.random.stateless_uniform(shape, sign_seed, 0, 2, "int32") * 2 - 1
    strengths = magnitude * tf.cast(signs, "float32")

    def change(row):
        image, choice, strength = row
        for step in range(NUM_OPERATIONS):
            image = _apply(image[None], choice[step], strength[step])[0]
        return image

    spec = tf.TensorSpec(images.shape[1:], "float32")
    return tf.map_fn(change, (images, choices, strengths), fn_output_signature=spec)


def _apply(image, choice, strength):
    branches = [lambda op=op: op(image, strength) for op in _OPERATIONS]
    result = tf.switch_case(choice, branches)
    result.set_shape(image.shape)
    return result


def _identity(image, strength):
    return tf.identity(image)


def _rotate(image, strength):
    angle = strength * math.pi / 6
    cos, sin = tf.cos(angle)[None], tf.sin(angle)[None]
    return resample(image, [[cos, -sin], [sin, cos]], (0.0, 0.0))


def _shear_x(image, strength):
    return _move(image, shear_x=0.3 * strength)


def _shear_y(image, strength):
    return _move(image, shear_y=0.3 * strength)


def _translate_x(image, strength):
    width = tf.cast(tf.shape(image)[2], "float32")
    return _move(image, shift=(0.45 * strength * width, 0.0))


def _translate_y(image, strength):
    height = tf.cast(tf.shape(image)[1], "float32")
    return _move(image, shift=(0.0, 0.45 * strength * height))


def _move(image, shear_x=0.0, shear_y=0.0, shift=(0.0, 0.0)):
    rows = [[1.0, shear_x], [shear_y, 1.0]]
    matrix = [[tf.reshape(tf.cast(entry, "float32"), (1,)) for entry in row] for row in rows]
    return resample(image, matrix, shift)


def _brightness(image, strength):
    return tf.clip_by_value(image * (1.0 + 0.9 * strength), 0.0, 255.0)


def _contrast(image, strength):
    return adjust_color(image, 0.0, 1.0 + 0.9 * strength, 1.0)


def _saturation(image, strength):
    return adjust_color(image, 0.0, 1.0, 1.0 + 0.9 * strength)


def _sharpness(image, strength):
    # Pillow's smoothing kernel.
    kernel = tf.constant([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13.0
    channels = image.shape[-1]
    kernel = tf.tile(kernel[:, :, None, None], (1, 1, channels, 1))
    padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    smooth = tf.nn.depthwise_conv2d(padded, kernel, (1, 1, 1, 1), "VALID")
    return tf.clip_by_value(smooth + (1.0 + 0.9 * strength) * (image - smooth), 0.0, 255.0)


def _posterize(image, strength):
    bits = tf.round(8.0 - 4.0 * tf.abs(strength))
    step = tf.pow(2.0, 8.0 - bits)
    return tf.floor(image / step) * step


def _solarize(image, strength):
    return tf.where(image < 255.0 * (1.0 - tf.abs(strength)), image, 255.0 - image)


def _autocontrast(image, strength):
    low = tf.reduce_min(image, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(image, axis=(1, 2), keepdims=True)
    stretched = (image - low) * 255.0 / tf.maximum(high - low, 1.0)
    return tf.where(high > low, stretched, image)


def _equalize(image, strength):
    channels = [_equalize_channel(channel) for channel in tf.unstack(image, axis=-1)]
    return tf.stack(channels, axis=-1)


def _equalize_channel(channel):
    levels = tf.cast(tf.round(channel), "int32")
    histogram = tf.math.bincount(tf.reshape(levels, [-1]), minlength=256, maxlength=256)
    below = tf.cast(tf.cumsum(histogram, exclusive=True), "float32")
    # The brightest level that occurs becomes 255.
    top = tf.maximum(tf.reduce_max(tf.gather(below, levels)), 1.0)
    return tf.minimum(tf.gather(below, levels) * 255.0 / top, 255.0)


_OPERATIONS = (
    _identity, _rotate, _shear_x, _shear_y, _translate_x, _translate_y, _brightness,
    _contrast, _saturation, _sharpness, _posterize, _solarize, _autocontrast, _equalize,
)  # fmt: skip
