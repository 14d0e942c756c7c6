import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import transferability
from keras_transfer.backbones import Backbone
from keras_transfer.features import FeatureCache
from keras_transfer.transferability.sizes import at_size
from tests.networks import residual_backbone


@pytest.fixture(scope="module")
def data():
    # Stripes whose width tells the class: halved in size, the finest ones become grey.
    random = np.random.default_rng(0)
    images = random.normal(128, 4, (60, 16, 16, 3))
    for number in range(60):
        images[number, :, :: 2 if number % 2 else 4] += 60
    return tf.data.Dataset.from_tensor_slices(
        (images.clip(0, 255).astype("float32"), np.arange(60) % 2)
    ).batch(20)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="tensorflow")


@pytest.fixture(scope="module")
def probes(data, cache):
    keras.utils.set_random_seed(0)
    return transferability.probe_sizes(residual_backbone(), data, [16, 8, 16], cache)


def test_each_size_is_trained_on_and_used_at_all_sizes(probes):
    assert [probe.size for probe in probes.sizes] == [8, 16]
    large = probes.sizes[1]
    assert large.accuracy == large.served[16] == 1.0
    assert large.served[8] < 0.9
    assert "Trained at 8 and used at 16 pixels" in probes.conclusion
    assert len(probes.rows()) == 3
    assert probes.to_json()["sizes"][1]["served"]["16"] == 1.0


def test_a_backbone_of_another_size_has_the_same_weights():
    backbone = residual_backbone()
    other = at_size(backbone, 24)
    assert other.input_shape == (None, 24, 24, 3)
    for one, twin in zip(backbone.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, twin)
    assert other.source == backbone.source


@pytest.mark.parametrize("sizes", [[], [32], [0], [8.0]])
def test_sizes_out_of_range_are_refused(sizes, data, cache):
    with pytest.raises(ValueError, match="`sizes` must be integers of at most the size"):
        transferability.probe_sizes(residual_backbone(), data, sizes, cache)


def test_a_network_of_a_fixed_size_says_so(data, cache):
    images = keras.Input((16, 16, 3))
    x = keras.layers.Reshape((8, 8, 12))(images)
    backbone = Backbone.from_model(keras.Model(images, keras.layers.Conv2D(2, 1)(x)))
    with pytest.raises(ValueError, match="does not take images of 8 pixels"):
        transferability.probe_sizes(backbone, data, [8], cache)
