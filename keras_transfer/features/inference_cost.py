"""How much a network computes, and how fast an engine runs it."""

import collections
import math
import time

from keras_transfer.backbones import graph

# Stop after two seconds: other processes hardly disturb a longer measurement.
_MOST_REPEATS, _LONG = 3, 2.0


def multiply_adds(network):
    """The multiply-adds of a network's convolutions and dense layers for one image.

    A dimension of unknown size counts as 1.
    """
    return sum(map(_multiply_adds_of_call, graph.forward_nodes(network)))


def _multiply_adds_of_call(node):
    # A kernel is applied at every output position; a depthwise kernel has one output channel.
    weights = getattr(node.operation, "weights", ())
    kernels = [weight.shape for weight in weights if len(weight.shape) > 1]
    if not kernels:
        return 0
    positions = math.prod(size or 1 for size in node.outputs[0].shape[1:-1])
    return positions * sum(math.prod(shape) for shape in kernels)


def images_per_second(run, images, at_least):
    """The rate of an engine's function on a list of batches.

    It is the fastest of up to three repeats, since other processes can only slow one down. Each
    repeat runs over the batches until it has computed `at_least` images.
    """
    num_images = sum(map(len, images))
    _seconds(run, images)  # the first batches of each size are slower
    num_passes = math.ceil(at_least / num_images)
    repeats = []
    while len(repeats) < _MOST_REPEATS and sum(repeats) < _LONG:
        repeats.append(_seconds(run, images * num_passes))
    return num_passes * num_images / min(repeats)


def _seconds(run, images):
    started = time.perf_counter()
    collections.deque(run(iter(images)), maxlen=0)
    return time.perf_counter() - started
