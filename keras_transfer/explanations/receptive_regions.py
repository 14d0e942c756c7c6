"""Which pixels a position of a stage can see."""

import keras
import numpy as np

from keras_transfer.backbones import graph


def receptive_regions(model, stage, positions, size):
    """The pixels that reach each of some positions, through convolutions and poolings.

    Gates that are computed from the whole picture (squeeze-and-excitation) are passed over:
    with them every position sees everything. What mixes positions in a way not known here
    (attention, resizing) sees the whole picture.

    Args:
        model: a functional `keras.Model` for pictures.
        stage: the name of an operation with positions.
        positions: a `(row, column)` in its grid for each.
        size: `(height, width)` of the pictures.

    Returns:
        An integer array `(positions, 4)`: `(top, left, bottom, right)` in pixels, inside the
        picture; bottom and right excluded.
    """
    part = keras.Model(model.inputs[0], graph.output_of(model, stage))
    nodes = [node for node in graph.forward_nodes(part) if not node.is_input]
    if len(part.outputs[0].shape) != 4:
        return np.tile((0, 0, *size), (len(positions), 1))
    shapes = _shapes(part, nodes, size)
    found = [_seen_from(position, part, nodes, shapes) for position in positions]
    # `(top, left)` and `(bottom, right)`.
    first, last = (np.array([[axis[i] for axis in region] for region in found]) for i in (0, 1))
    return np.concatenate([np.maximum(first, 0), np.minimum(last + 1, size)], axis=1)


def _seen_from(position, part, nodes, shapes):
    """The first and the last pixel on each axis, which may lie outside the picture."""
    seen = {id(part.outputs[0]): tuple((int(index), int(index)) for index in position)}
    for node in reversed(nodes):
        region = _joined([seen[id(t)] for t in node.outputs if id(t) in seen])
        for tensor in node.input_tensors if region is not None else ():
            behind = _behind(node, tensor, region, shapes)
            found = [r for r in (seen.get(id(tensor)), behind) if r is not None]
            if found:
                seen[id(tensor)] = _joined(found)
    return seen[id(part.inputs[0])]


def _shapes(model, nodes, size):
    """The shape of each tensor, by id, for pictures of one size."""
    tensors = [model.inputs[0], *(tensor for node in nodes for tensor in node.outputs)]
    sized = keras.KerasTensor((1, *size, model.inputs[0].shape[-1]), model.inputs[0].dtype)
    specs = keras.Model(model.inputs[0], tensors).compute_output_spec(sized)
    return {id(t): tuple(s.shape) for t, s in zip(tensors, specs, strict=True)}


def _joined(regions):
    """The smallest region that holds all; None of none."""
    if not regions:
        return None
    return tuple(
        (min(first for first, _ in axis), max(last for _, last in axis))
        for axis in zip(*regions, strict=True)
    )


def _behind(node, tensor, region, shapes):
    """The positions of an input that a region of the output is computed from."""
    before, after = shapes[id(tensor)], shapes[id(node.outputs[0])]
    if len(before) != 4 or before[1:3] == (1, 1) != after[1:3]:
        return None  # a gate, broadcast over the positions
    if len(after) != 4:
        return tuple((0, length - 1) for length in before[1:3])
    return tuple(
        _interval(node.operation, axis, region[axis], before[axis + 1], after[axis + 1])
        for axis in (0, 1)
    )


def _interval(operation, axis, interval, length, length_after):
    """The same along one axis."""
    first, last = interval
    kernel = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None)
    if isinstance(operation, keras.layers.Conv2DTranspose) or (
        kernel is None and length != length_after and not _shifts(operation)
    ):
        return 0, length - 1
    if kernel is not None:
        stride = operation.strides[axis]
        dilation = getattr(operation, "dilation_rate", (1, 1))[axis]
        reach = (kernel[axis] - 1) * dilation
        missing = max((length_after - 1) * stride + reach + 1 - length, 0)
        before = missing // 2 if operation.padding == "same" else 0
        return first * stride - before, last * stride - before + reach
    shift = _shift(operation, axis)
    return first + shift, last + shift


def _shifts(operation):
    return isinstance(operation, (keras.layers.ZeroPadding2D, keras.layers.Cropping2D))


def _shift(operation, axis):
    if isinstance(operation, keras.layers.ZeroPadding2D):
        return -operation.padding[axis][0]
    return operation.cropping[axis][0] if _shifts(operation) else 0
