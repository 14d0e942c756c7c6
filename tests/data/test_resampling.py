import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.data import resampling
from keras_transfer.data.image_transforms import adjust_color, random_moves
from keras_transfer.data.resampling import resample

SIZES = [(16, 16, 3), (31, 47, 3), (9, 5, 1), (1, 2, 3)]


def images_of(size, count=8):
    return tf.random.stateless_uniform((count, *size), (1, 2), 0.0, 255.0)


def without_xla(monkeypatch):
    monkeypatch.setattr(resampling, "_has_xla", lambda: False)


@pytest.mark.parametrize("fill_mode", ["REFLECT", "CONSTANT"])
@pytest.mark.parametrize("size", SIZES)
def test_compiled_moves_are_those_of_the_kernel(monkeypatch, size, fill_mode):
    images = images_of(size)
    for seed in range(5):
        moves = random_moves(images, (seed, 1), "horizontal_and_vertical", 0.5, 0.5, 0.5, 1.0)
        compiled = resample(images, *moves, fill_mode=fill_mode)
        with monkeypatch.context() as patch:
            without_xla(patch)
            expected = resample(images, *moves, fill_mode=fill_mode)
        # Where a coordinate rounds to the other side of a pixel, the pixel is another.
        differs = np.abs(compiled - expected) > 0.1
        assert np.mean(differs) < 0.002
        assert np.std(expected) > 10


def test_compiled_colors_are_those_of_the_operations(monkeypatch):
    images = images_of((7, 9, 3))
    changes = [tf.random.stateless_uniform((8, 1, 1, 1), (i, 2), 0.5, 1.5) for i in range(3)]
    compiled = adjust_color(images, *changes)
    without_xla(monkeypatch)
    np.testing.assert_allclose(compiled, adjust_color(images, *changes), atol=1e-3)


def test_a_tensorflow_without_xla_augments(monkeypatch):
    def missing(*_, **__):
        raise tf.errors.UnimplementedError(None, None, "Could not find compiler for Host")

    resampling._has_xla.cache_clear()
    monkeypatch.setattr(resampling, "compiled", lambda _: missing)
    try:
        assert not resampling.can_be_compiled(images_of((16, 16, 3)))
        images, _ = data.augmentation.standard().transform(images_of((16, 16, 3)), None, (1, 2))
        assert images.shape == (8, 16, 16, 3)
    finally:
        resampling._has_xla.cache_clear()


@pytest.mark.parametrize(("size", "is_compiled"), [((None, None), False), ((8, 8), True)])
def test_images_of_any_size_are_not_compiled_for_each(size, is_compiled):
    augment = tf.function(
        lambda images: data.augmentation.standard().transform(images, None, (1, 2))
    )
    graph = augment.get_concrete_function(tf.TensorSpec((None, *size, 3))).graph
    kernels = {operation.type for operation in graph.get_operations()}
    assert ("ImageProjectiveTransformV3" in kernels) is not is_compiled
