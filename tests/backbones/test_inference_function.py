import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones.inference_function import constant_function


class TensorFlowScale(keras.layers.Layer):
    """Its variable is TensorFlow's: Keras does not know it."""

    def build(self, input_shape):
        self.scale = tf.Variable(tf.fill(input_shape[1:], 3.0))

    def call(self, inputs):
        return inputs * self.scale


class Looked(keras.layers.Layer):
    def build(self, input_shape):
        initial = tf.lookup.KeyValueTensorInitializer(
            [0, 1], [10.0, 20.0], tf.int64, tf.float32
        )
        self.table = tf.lookup.StaticHashTable(initial, -1.0)

    def call(self, inputs):
        return self.table.lookup(tf.cast(inputs, tf.int64))


def network_of(*layers):
    network = keras.Sequential([keras.Input((200,)), *layers])
    network(np.zeros((1, 200), "float32"))
    return network


@pytest.mark.parametrize(
    "make",
    [
        lambda: [keras.layers.Dense(3)],
        lambda: [TensorFlowScale(), keras.layers.Dense(3)],
    ],
    ids=["weights", "variables of TensorFlow"],
)
def test_everything_a_network_knows_becomes_a_constant(make):
    network = network_of(*make())
    batch = tf.random.normal((4, 200))
    expected = network(batch)
    function = constant_function(network)
    kinds = {node.op for node in function.graph.as_graph_def().node}
    assert not kinds & {"ReadVariableOp", "VarHandleOp"}
    assert [node.op for node in function.graph.as_graph_def().node].count("Placeholder") == 1
    for weight in network.weights:
        weight.assign(tf.zeros_like(weight))
    np.testing.assert_allclose(function(batch), expected, rtol=1e-5)


def test_a_network_with_a_lookup_table_keeps_it():
    network = network_of(Looked(), keras.layers.Dense(3, kernel_initializer="ones"))
    function = constant_function(network)
    np.testing.assert_allclose(function(tf.ones((1, 200))), [[4000.0] * 3])
