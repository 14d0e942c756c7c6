import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_transfer.data import rand_augment as module


def smooth(side=24):
    coarse = np.random.default_rng(1).integers(20, 230, (4, 4, 3), dtype="uint8")
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


STRENGTH = 0.5
# Enhancers multiply by 1 + 0.9 * 0.5 = 1.45; half the strength takes 2 of 8 bits and
# inverts from 127.5 on.
PILLOW = {
    "_brightness": lambda image: ImageEnhance.Brightness(image).enhance(1.45),
    "_contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.45),
    "_saturation": lambda image: ImageEnhance.Color(image).enhance(1.45),
    "_posterize": lambda image: ImageOps.posterize(image, 6),
    "_solarize": lambda image: ImageOps.solarize(image, 128),
    "_autocontrast": ImageOps.autocontrast,
}


@pytest.mark.parametrize("name", PILLOW)
def test_operations_do_what_pillow_does(name):
    image = smooth()
    result = getattr(module, name)(
        tf.cast(np.asarray(image)[None], "float32"), tf.constant(STRENGTH)
    )
    expected = np.asarray(PILLOW[name](image)).astype("float32")
    np.testing.assert_allclose(result[0], expected, atol=2)


def test_sharpness_does_what_pillow_does_inside_the_edge():
    image = smooth()
    result = module._sharpness(tf.cast(np.asarray(image)[None], "float32"), tf.constant(0.5))
    expected = np.asarray(ImageEnhance.Sharpness(image).enhance(1.45)).astype("float32")
    np.testing.assert_allclose(result[0, 1:-1, 1:-1], expected[1:-1, 1:-1], atol=2)


def test_equalized_levels_are_spread_evenly():
    # Four levels, equally frequent: 0, 1/3, 2/3 and 3/3 of 255.
    levels = np.repeat([10.0, 20.0, 30.0, 200.0], 4).reshape(1, 4, 4, 1).astype("f4")
    result = module._equalize(tf.constant(levels), tf.constant(0.5))
    np.testing.assert_allclose(np.unique(result), [0, 85, 170, 255], atol=1e-3)


def test_a_flat_image_survives_every_operation():
    flat = tf.fill((1, 8, 8, 3), 128.0)
    for operation in module._OPERATIONS:
        assert np.isfinite(operation(flat, tf.constant(0.5))).all()


def test_shift_moves_by_its_share_of_the_side():
    image = np.zeros((1, 20, 20, 1), "f4")
    image[:, 10, 10] = 255
    # 0.45 * (1 / 0.9) * 20 = 10: read ten pixels further on, so the dot moves left.
    moved = module._translate_x(tf.constant(image), tf.constant(1 / 0.9)).numpy()
    assert moved[0, 10, 0, 0] == pytest.approx(255, abs=1e-2)
