"""A network in inference mode as a TensorFlow graph whose weights are constants."""

import math

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_transfer._python_functions import with_own_gradients
from keras_transfer.backbones import graph

# A graph with its constants is a protocol buffer, which can have at most 2 GB.
_LARGEST = 1.5e9


def inputs_of(network):
    """The `KerasTensor` of each input of a functional or sequential model."""
    return graph.as_functional(network).input


def input_specs(network):
    """The `TensorSpec` of each input of a network, in its structure."""
    return tf.nest.map_structure(
        lambda one: tf.TensorSpec(one.shape, one.dtype, name=one.name), inputs_of(network)
    )


def constant_function(network, specs=None):
    """A concrete function from a batch of inputs to the network's outputs.

    TensorFlow folds BatchNormalization into the convolutions where the weights are constants,
    which makes MobileNetV2 1.5 times as fast on a CPU. The weights are those of now: later
    changes of the variables have no effect. More than 1.5 GB of weights stay variables, as do
    those that Keras does not know if there are other resources, such as a lookup table.

    Args:
        network: a functional `keras.Model`.
        specs: a `TensorSpec` for each input, in their structure. Defaults to None, those of
            `input_specs`. Tensors of other dtypes are cast in the graph.

    Returns:
        A function that takes the structure of tensors and returns a structure of tensors.
    """
    values = _values_of(network)

    def cast(tensor, expected):
        return tensor if tensor.dtype == expected.dtype else tf.cast(tensor, expected.dtype)

    @tf.function(input_signature=[specs or input_specs(network)], autograph=False)
    @with_own_gradients
    def forward(inputs):
        inputs = tf.nest.map_structure(cast, inputs, inputs_of(network))
        constants = [(weight, tf.constant(value)) for weight, value in values]
        with keras.StatelessScope(constants):
            return network(inputs, training=False)

    concrete = forward.get_concrete_function()
    placeholders = [
        tensor for tensor, inner in concrete.graph.captures if inner.op.type != "Const"
    ]
    variables = {id(variable.handle) for variable in concrete.graph.variables}
    resources = {id(tensor) for tensor in placeholders if tensor.dtype == tf.resource}
    if not values or not placeholders or not resources <= variables:
        return concrete
    return _without_variables(concrete)  # Keras does not know them


def _values_of(network):
    """The weights that become constants, each with its value now."""
    sizes = (math.prod(w.shape) * tf.as_dtype(w.dtype).size for w in network.weights)
    if sum(sizes) >= _LARGEST:
        return []
    return [(weight, keras.ops.convert_to_numpy(weight)) for weight in network.weights]


def _without_variables(concrete):
    constant = convert_variables_to_constants_v2(concrete)
    structure = concrete.structured_outputs

    def packed(inputs):
        found = tf.nest.flatten(constant(*tf.nest.flatten(inputs)))
        return tf.nest.pack_sequence_as(structure, found)

    packed.graph = constant.graph
    return packed
