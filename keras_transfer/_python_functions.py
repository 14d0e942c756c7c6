"""Python functions in the graphs of TensorFlow.

TensorFlow holds each function of a `tf.numpy_function`, and of a dataset from a generator, for
the rest of the process, and with it what the function refers to: images, networks, open files.
The functions here refer to it weakly.
"""

import inspect
import weakref

import tensorflow as tf


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
