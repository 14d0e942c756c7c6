"""Stages: the parts of a network at one resolution."""

import dataclasses
import itertools
import math

import keras

from keras_transfer.backbones import graph


@dataclasses.dataclass(frozen=True)
class Stage:
    """A run of layers that ends at a boundary.

    Attributes:
        name: `stage1`, `stage2` and so on, from the input.
        layers: the names of its layers and bare operations, in the order of the graph.
        boundary: the name of the boundary where it ends.
        output_shape: the shape of the boundary, batch dimension first.

    Example:
        >>> backbone.stages[0].name, backbone.stages[-1].boundary == backbone.boundaries[-1]
        ('stage1', True)
    """

    name: str
    layers: tuple[str, ...]
    boundary: str
    output_shape: tuple[int | None, ...]


# A boundary with this many times the channels of the narrowest of its resolution belongs to the
# next stage: inverted bottlenecks (MobileNetV2) expand before their stride.
_EXPANSION = 3


def stages_of(model):
    """The stages of a `Backbone` or of any other functional model."""
    return model.stages if hasattr(model, "stages") else compute_stages(model)


def compute_stages(model, reference_size=256):
    """The stages of a functional model: a tuple of `Stage`, each with weights, without gaps.

    A stage ends at the last boundary of a resolution that closes a block. If a network keeps
    one resolution (a transformer, a small dense network), each block is a stage.
    """
    operations = graph.forward_operations(model)
    position = {operation.name: index for index, operation in enumerate(operations)}
    shapes = _boundary_shapes(model, reference_size)
    points = [
        _Point(name, position[name], shapes[name], operations[position[name]])
        for name in graph.boundaries(model)
    ]
    weighted = [i for i, operation in enumerate(operations) if graph.is_learned(operation)]
    kinds = [type(operations[i]).__name__ for i in weighted]
    begun = [
        i
        for i, kind, before in zip(weighted, kinds, ["", *kinds], strict=False)
        if not ("Normalization" in kind or ("Embedding" in kind and "Embedding" in before))
    ]
    ends = _resolution_ends(points, weighted, _input_size(model, reference_size))
    if len(ends) < 3:
        ends = _block_ends(points) or (
            ends if len(ends) == 2 else _layer_ends(points, begun or weighted)
        )
    ends = _with_weights_each(ends, weighted, points[-1])
    starts = [0, *(end.position + 1 for end in ends)]
    return tuple(
        Stage(
            name=f"stage{number}",
            layers=tuple(operation.name for operation in operations[start : end.position + 1]),
            boundary=end.name,
            output_shape=tuple(end.operation.output.shape),
        )
        for number, (start, end) in enumerate(zip(starts, ends, strict=False), start=1)
    )


@dataclasses.dataclass(frozen=True)
class _Point:
    """A boundary, its position in the graph, and its shape with known height and width."""

    name: str
    position: int
    shape: tuple
    operation: object

    @property
    def is_image(self):
        return len(self.shape) == 4

    @property
    def closes_block(self):
        """Whether it joins tensors of one resolution: an addition or a concatenation."""
        inputs = keras.tree.flatten(self.operation.input)
        return len(inputs) > 1 and len({tensor.shape[1:-1] for tensor in inputs}) == 1


def _input_size(model, reference_size):
    shape = model.inputs[0].shape
    return (shape[1] or reference_size) if len(shape) == 4 else 1


def _boundary_shapes(model, reference_size):
    found = graph.boundaries(model)
    shape = model.inputs[0].shape
    if len(model.inputs) > 1 or len(shape) != 4 or None not in shape[1:]:
        return {name: tuple(tensor.shape) for name, tensor in found.items()}
    sized = tuple(reference_size if size is None else size for size in shape[1:])
    outputs = keras.Model(model.inputs[0], list(found.values())).compute_output_spec(
        keras.KerasTensor((None, *sized), dtype=model.inputs[0].dtype)
    )
    flat = keras.tree.flatten(outputs)
    return {name: tuple(tensor.shape) for name, tensor in zip(found, flat, strict=True)}


def _resolution_ends(points, weighted, input_size):
    """The last point of each resolution, in powers of two so that padding changes nothing."""
    if not all(point.is_image for point in points[:-1]) or not weighted:
        return []
    points = [point for point in points if point.is_image and point.position >= weighted[0]]

    def level(point):
        return round(math.log2(input_size / max(point.shape[1], 1)))

    runs = [list(run) for _, run in itertools.groupby(points, key=level)]
    return [_last_of_run(run, weighted) for run in runs[:-1]] + [run[-1] for run in runs[-1:]]


def _last_of_run(run, weighted):
    blocks = [point for point in run if point.closes_block]
    if blocks:
        # Operations without weights after the last block (its activation) belong to it.
        after = next((i for i in weighted if i > blocks[-1].position), math.inf)
        return [point for point in run if point.position < after][-1]
    smallest = min(point.shape[1] for point in run)
    run = [point for point in run if point.shape[1] == smallest]
    narrowest = min(point.shape[-1] for point in run)
    return [point for point in run if point.shape[-1] < _EXPANSION * narrowest][-1]


def _block_ends(points):
    blocks = [point for point in points if point.closes_block]
    return blocks if len(blocks) >= 2 else []


def _layer_ends(points, weighted):
    """The end of each layer with weights, its normalization and its activation."""
    groups = {}
    for point in points:
        layers_so_far = sum(index <= point.position for index in weighted)
        if layers_so_far:
            groups[layers_so_far] = point
    return list(groups.values())


def _with_weights_each(ends, weighted, last):
    """Drops the ends of stages without weights; the last stage ends at the output."""
    kept, start = [], 0
    for end in ends:
        if end.position < last.position and any(start <= i <= end.position for i in weighted):
            kept.append(end)
            start = end.position + 1
    if kept and not any(i >= start for i in weighted):
        kept.pop()
    return [*kept, last]
