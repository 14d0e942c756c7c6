"""Which pixels a position of a stage can see: its receptive field."""

import keras
import numpy as np

from keras_transfer.backbones import graph


def receptive_regions(part, positions, size):
    """The receptive field of each position, through convolutions and poolings.

    Gates computed from the whole image (squeeze-and-excitation) are left out: with them every
    position sees everything. An operation that mixes positions in another way (attention,
    resizing) sees the whole image.

    `positions` are rows and columns in the grid of the features of `part`. Returns an integer
    array `(positions, 4)` of `(top, left, bottom, right)` in pixels, bottom and right excluded.
    """
    positions = np.asarray(positions)
    if len(part.outputs[0].shape) != 4:
        return np.tile((0, 0, *size), (len(positions), 1))
    nodes = [node for node in graph.forward_nodes(part) if not node.is_input]
    shapes = _shapes(part, nodes, size)
    # The first and the last position seen, by tensor: arrays `(positions, 2)`.
    seen = {id(part.outputs[0]): (positions, positions)}
    for node in reversed(nodes):
        regions = [seen[id(tensor)] for tensor in node.outputs if id(tensor) in seen]
        for tensor in node.input_tensors if regions else ():
            before, after = shapes[id(tensor)], shapes[id(node.outputs[0])]
            if len(before) != 4 or before[1:3] == (1, 1) != after[1:3]:
                continue  # a gate, broadcast over the positions
            behind = _behind(node.operation, _union(regions), before, after)
            seen[id(tensor)] = _union([behind, seen.get(id(tensor), behind)])
    first, last = seen[id(part.inputs[0])]
    return np.concatenate([np.maximum(first, 0), np.minimum(last + 1, size)], axis=1)


def _shapes(part, nodes, size):
    """The shape of each tensor, by id, for images of one size."""
    tensors = [part.inputs[0], *(tensor for node in nodes for tensor in node.outputs)]
    sized = keras.KerasTensor((1, *size, part.inputs[0].shape[-1]), part.inputs[0].dtype)
    specs = keras.Model(part.inputs[0], tensors).compute_output_spec(sized)
    return {id(t): tuple(s.shape) for t, s in zip(tensors, specs, strict=True)}


def _union(regions):
    firsts, lasts = zip(*regions, strict=True)
    return np.minimum.reduce(firsts), np.maximum.reduce(lasts)


def _behind(operation, region, before, after):
    """The first and last positions of an operation's input that a region is computed from."""
    (first, last), size = region, np.array(before[1:3])
    kernel = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None)
    if isinstance(operation, keras.layers.ZeroPadding2D):
        shift = -np.array(operation.padding)[:, 0]
    elif isinstance(operation, keras.layers.Cropping2D):
        shift = np.array(operation.cropping)[:, 0]
    elif len(after) != 4 or isinstance(operation, keras.layers.Conv2DTranspose):
        return 0 * first, 0 * last + size - 1
    elif kernel is None:
        is_kept = size == np.array(after[1:3])
        return np.where(is_kept, first, 0), np.where(is_kept, last, size - 1)
    else:
        stride = np.array(operation.strides)
        reach = (np.array(kernel) - 1) * np.array(getattr(operation, "dilation_rate", 1))
        missing = (np.array(after[1:3]) - 1) * stride + reach + 1 - size
        padding = np.maximum(missing, 0) // 2 if operation.padding == "same" else 0
        first, last, shift = first * stride, last * stride + reach, -padding
    return first + shift, last + shift
