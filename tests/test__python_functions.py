import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from keras_transfer._python_functions import from_generator, weakly, with_own_gradients


class Numbers:
    """Something large that a function refers to."""

    def __init__(self):
        self.values = np.arange(6.0)

    def total(self):
        return self.values.sum()


def test_a_generator_lives_as_long_as_what_was_made_from_its_dataset():
    numbers = Numbers()
    watched = weakref.ref(numbers)

    def batches(numbers=numbers):
        yield from numbers.values.reshape(3, 2)

    dataset = from_generator(batches, tf.TensorSpec((2,), "float64"))
    derived = tf.data.Dataset.zip((dataset.map(lambda batch: 2 * batch).prefetch(1),))
    del numbers, batches, dataset
    gc.collect()
    for _ in range(2):
        found = [batch.tolist() for (batch,) in derived.as_numpy_iterator()]
        assert found == [[0, 2], [4, 6], [8, 10]]
    iterator = iter(derived.unbatch())
    del derived
    gc.collect()
    assert len(list(iterator)) == 6
    del iterator
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("kind", ["method", "function"])
def test_a_function_of_a_graph_lives_as_long_as_its_owner(kind):
    numbers = Numbers()
    watched = weakref.ref(numbers)
    total = numbers.total if kind == "method" else (lambda numbers=numbers: numbers.total())
    assert tf.numpy_function(weakly(total), [], "float64") == 15
    del numbers, total
    gc.collect()
    assert watched() is None


def test_custom_gradients_are_there_as_long_as_their_graph():
    def registered():
        return set(ops.gradient_registry.list())

    before = registered()
    function = tf.function(with_own_gradients(tf.nn.silu), autograph=False)
    values = tf.constant([0.5, 2.0])
    for _ in range(2):
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = function(values)
        shares = tf.sigmoid(values)
        expected = shares * (1 + values * (1 - shares))
        np.testing.assert_allclose(tape.gradient(result, values), expected, rtol=1e-6)
        assert len(registered() - before) == 1
        del tape, result
        gc.collect()
    watched = weakref.ref(function.get_concrete_function(values).graph)
    del function
    gc.collect()
    assert watched() is None
    assert registered() == before
