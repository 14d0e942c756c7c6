"""The stage that is explained, and its features as a grid of positions."""

import math

import tensorflow as tf

from keras_transfer._text import did_you_mean
from keras_transfer.backbones import graph


def stage_operation(model, stage=None):
    """The name of the operation that a stage ends with, or of the layer called `stage`.

    Its output is `(batch, rows, columns, channels)`, or `(batch, tokens, channels)` with a
    square number of tokens. None stands for the last stage with more than one position.
    """
    backbone = getattr(model, "backbone", model)
    ends = {stage.name: stage.boundary for stage in backbone.stages}
    fitting = [stage.name for stage in backbone.stages if _is_grid(stage.output_shape)]
    stage = [*ends, *fitting][-1] if stage is None else stage
    name = ends.get(stage, stage)
    shape = _output_shape(model, name, ends)
    if not _is_grid(shape):
        hint = f"Stages with a grid: {fitting}."
        if not fitting:
            tensors = graph.boundaries(backbone).items()
            hint = f"Layers with a grid: {[name for name, t in tensors if _is_grid(t.shape)]}."
        raise ValueError(
            f"'{stage}' has no grid of positions: its output must be (batch, rows, columns, "
            "channels), or (batch, tokens, channels) with a square number of tokens, and more "
            f"than one position. Pass larger images, or another stage or layer. {hint} "
            f"Received: stage={stage!r}, of shape {tuple(shape)}"
        )
    return name


def has_grid(backbone):
    """Whether a stage of a backbone has positions that a map can show."""
    return any(_is_grid(stage.output_shape) for stage in backbone.stages)


def _output_shape(model, name, stages):
    operations = [operation.name for operation in graph.forward_operations(model)]
    if name not in operations:
        hint = did_you_mean(name, [*stages, *operations])
        raise ValueError(
            f"'{model.name}' has no stage, layer or operation of this name.{hint} "
            f"Received: stage={name!r}"
        )
    return graph.output_of(model, name).shape


def _is_grid(shape):
    if len(shape) == 4:
        return tuple(shape[1:3]) != (1, 1)
    tokens = shape[1] if len(shape) == 3 else None
    return tokens is not None and tokens > 1 and math.isqrt(tokens) ** 2 == tokens


def as_grid(features):
    """Features as float32 `(batch, rows, columns, channels)`; tokens fill it row by row."""
    if features.shape.rank == 3:
        side = math.isqrt(features.shape[1])
        features = tf.reshape(features, (-1, side, side, features.shape[2]))
    return tf.cast(features, "float32")
