"""Python functions in the graphs of TensorFlow.

TensorFlow holds each function of a `tf.numpy_function`, of a dataset from a generator and of a
custom gradient for the rest of the process, and with it what the function refers to: images,
networks, open files, graphs. Here it is referred to weakly.
"""

import functools
import inspect
import weakref

import tensorflow as tf
from tensorflow.python.framework import ops


def weakly(function):
    """A function that calls another one, or a method, without keeping it in memory."""
    kind = weakref.WeakMethod if inspect.ismethod(function) else weakref.ref
    reference = kind(function)
    return lambda *arguments: reference()(*arguments)


def from_generator(generator, output_signature):
    """`tf.data.Dataset.from_generator`, which keeps the generator as long as the dataset."""
    dataset = tf.data.Dataset.from_generator(
        weakly(generator), output_signature=output_signature
    )
    # Those made from it, and their iterators, refer to it.
    dataset.generator = generator
    return dataset


def with_own_gradients(function):
    """A function that TensorFlow traces, whose custom gradients are freed with its graph.

    Each call of `tf.nn.silu` in a graph, for example, has one.
    """

    @functools.wraps(function)
    def traced(*arguments, **keyword_arguments):
        found = function(*arguments, **keyword_arguments)
        if not tf.executing_eagerly():
            _hold_gradients(tf.compat.v1.get_default_graph())
        return found

    return traced


def _hold_gradients(graph):
    registry, held = ops.gradient_registry._registry, getattr(graph, "custom_gradients", {})
    for operation in graph.get_operations():
        if operation.type != "IdentityN":
            continue
        name = operation.node_def.attr["_gradient_op_type"].s.decode()
        if name.startswith("CustomGradient-") and name in registry and name not in held:
            held[name] = registry[name]["type"]
            registry[name]["type"] = weakly(held[name])
            weakref.finalize(graph, registry.pop, name, None)
    graph.custom_gradients = held
