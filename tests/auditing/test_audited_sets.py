import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.auditing import domain_shift
from keras_transfer.auditing.audited_sets import image_statistics

STATISTICS = (
    "red", "green", "blue", "contrast", "darkest", "lightest", "saturation", "warmth",
    "sharpness", "noise",
)  # fmt: skip


def statistics_of(images):
    rows = image_statistics(tf.data.Dataset.from_tensor_slices(images).batch(3))
    assert rows.shape == (len(images), len(STATISTICS))
    return [dict(zip(STATISTICS, row, strict=True)) for row in rows]


def test_statistics_of_one_colour():
    (one,) = statistics_of(np.full((1, 8, 8, 3), (200.0, 100.0, 50.0)))
    assert [one[name] for name in ("red", "green", "blue")] == [200, 100, 50]
    assert (one["saturation"], one["warmth"]) == (150, 150)
    assert one["darkest"] == one["lightest"] == pytest.approx(350 / 3)
    flat = [one[name] for name in ("contrast", "sharpness", "noise")]
    np.testing.assert_allclose(flat, 0, atol=1e-9)


def test_stripes_are_sharp_and_noise_is_noise():
    stripes = np.zeros((8, 8, 3))
    stripes[:, 4:] = 100
    noise = np.random.default_rng(0).uniform(0, 100, (8, 8, 3))
    one, other = statistics_of(np.stack([stripes, noise]))
    assert one["sharpness"] == pytest.approx(np.log(100 / 7 + 1))  # one edge of 7 neighbours
    assert one["noise"] == 0 < other["noise"]
    assert one["contrast"] == 50


def test_grey_images_have_no_colour():
    (one,) = statistics_of(
        np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 1)).astype("float32")
    )
    assert one["red"] == one["green"] == one["blue"]
    assert one["saturation"] == one["warmth"] == 0


def test_labels_have_no_effect():
    images = np.zeros((4, 8, 8, 3))
    rows = image_statistics(tf.data.Dataset.from_tensor_slices((images, [0] * 4)).batch(3))
    assert rows.shape == (4, len(STATISTICS))


@pytest.mark.parametrize("change", [lambda x: 1.3 * x, lambda x: x * (1.1, 1.0, 0.9)])
def test_a_change_of_light_is_a_shift(change):
    random = np.random.default_rng(0)
    images = random.uniform(80, 120, (120, 1, 1, 1)) + random.normal(0, 20, (120, 8, 8, 3))
    images = images.clip(0, 255)
    rows = [
        image_statistics(tf.data.Dataset.from_tensor_slices(part).batch(32))
        for part in (images[:60], images[60:], change(images[60:]).clip(0, 255))
    ]
    assert not domain_shift(*rows[:2]).alarm
    assert domain_shift(rows[0], rows[2]).alarm
