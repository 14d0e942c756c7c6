"""How much a network computes."""

import math

from keras_transfer.backbones import graph


def multiply_adds(network):
    """The multiplications of one picture's pass through the convolutions and dense layers.

    Args:
        network: a functional `keras.Model`. A size that it leaves open counts as 1.

    Returns:
        An integer.
    """
    return sum(map(_of_call, graph.forward_nodes(network)))


def _of_call(node):
    # A kernel is applied at every position of the output; a depthwise one has one channel out.
    weights = getattr(node.operation, "weights", ())
    kernels = [weight.shape for weight in weights if len(weight.shape) > 1]
    if not kernels:
        return 0
    positions = math.prod(size or 1 for size in node.outputs[0].shape[1:-1])
    return positions * sum(math.prod(shape) for shape in kernels)
