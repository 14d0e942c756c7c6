import keras
import numpy as np
import pytest

from keras_transfer.features import inference_cost
from keras_transfer.features.inference_cost import multiply_adds
from tests.networks import mobilenet

IMAGES = [np.zeros((4, 2, 2, 3)), np.zeros((2, 2, 2, 3))]


def test_multiply_adds_match_a_count_by_hand():
    inputs = keras.Input((8, 8, 3))
    # 8 * 8 * (3 * 3 * 3 * 4) = 6912
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    # 4 * 4 * (3 * 3 * 4) = 576
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(5)(x)  # 4 * 5 = 20
    assert multiply_adds(keras.Model(inputs, x)) == 6912 + 576 + 20


def test_shared_layer_counts_as_often_as_it_is_called():
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(4)
    assert multiply_adds(keras.Model(inputs, dense(dense(inputs)))) == 32


def test_multiply_adds_match_the_published_number():
    # The repository of Sandler et al. (2018) gives 59 million for MobileNetV2 0.35 at 224 px,
    # of which the classifier, 1280 * 1000, is not part of a backbone.
    assert 55e6 < multiply_adds(mobilenet(size=224)) < 60e6


class Engine:
    """Takes the given seconds for each call, by a clock of its own."""

    def __init__(self, seconds):
        self.now, self._seconds, self.num_images = 0.0, iter(seconds), []

    def run(self, images):
        images = list(images)
        self.num_images.append(sum(map(len, images)))
        self.now += next(self._seconds)
        yield from images


@pytest.mark.parametrize(
    ("seconds", "fastest", "repeats"),
    [
        # The first call warms up, and the slow one was disturbed.
        ([9.0, 0.5, 0.9, 0.4], 0.4, 3),
        # Longer than 2 s: once is enough.
        ([9.0, 2.5], 2.5, 1),
    ],
)
def test_rate_is_that_of_the_fastest_repeat(monkeypatch, seconds, fastest, repeats):
    engine = Engine(seconds)
    monkeypatch.setattr(inference_cost.time, "perf_counter", lambda: engine.now)
    # 6 images, taken twice to be at least 10.
    rate = inference_cost.images_per_second(engine.run, IMAGES, 10)
    assert rate == pytest.approx(12 / fastest)
    assert engine.num_images == [6, *[12] * repeats]
