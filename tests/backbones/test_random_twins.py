import keras
import numpy as np

from keras_transfer.backbones import Backbone
from keras_transfer.backbones.random_twins import random_twin
from tests.networks import residual_backbone


def test_twin_has_the_graph_but_not_the_weights():
    backbone = residual_backbone("tf")
    twin, same, other = (random_twin(backbone, seed) for seed in (0, 0, 1))
    kernels = [
        one.get_layer("conv_1").get_weights()[0] for one in (backbone, twin, same, other)
    ]
    np.testing.assert_array_equal(kernels[1], kernels[2])
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[1], kernels[3])
    assert twin.boundaries == backbone.boundaries


def test_twin_keeps_the_statistics_of_the_preprocessing():
    inputs = keras.Input((8, 8, 3))
    statistics = keras.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])
    learned = keras.layers.Normalization(name="learned")
    learned.adapt(np.random.default_rng(0).normal(3, 2, (20, 8, 8, 3)))
    x = keras.layers.Conv2D(2, 3)(learned(statistics(inputs)))
    backbone = Backbone.from_model(keras.Model(inputs, x))
    layer = random_twin(backbone).get_layer("learned")
    np.testing.assert_array_equal(layer.mean, backbone.get_layer("learned").mean)
