"""What a test finds does not depend on what ran before it in its process."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import residual_network


def draw():
    names = [layer.name for layer in keras.Sequential([keras.layers.Dense(2)]).layers]
    numbers = [random.random(), np.random.random(), float(tf.random.uniform(()))]
    return names, numbers, residual_network().get_weights()[0].tolist()


@pytest.fixture(scope="module")
def early():
    return draw()


@pytest.fixture(scope="module")
def late(early):
    return draw()


def test_a_fixture_of_a_module_starts_from_the_seed(early):
    assert early == draw()


def test_a_fixture_starts_from_the_seed_whatever_other_ones_drew(late):
    assert late == draw()
