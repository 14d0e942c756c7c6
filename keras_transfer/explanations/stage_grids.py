"""The stage that is explained, and its features as a grid of positions."""

import difflib
import math

import tensorflow as tf

from keras_transfer.backbones import graph


def stage_operation(model, stage=None):
    """The name of the operation that a stage ends with, or of the layer called `stage`.

    Its output is `(batch, rows, columns, channels)`, or `(batch, tokens, channels)` with a
    square number of tokens. None stands for the last stage with more than one position.
    """
    backbone = getattr(model, "backbone", model)
    stages = backbone.stages
    fitting = {s.name: s.boundary for s in stages if _is_grid(s.output_shape)}
    if stage is None and fitting:
        return list(fitting.values())[-1]
    if stage is None:
        raise ValueError(
            f"No stage of '{model.name}' has a grid of more than one position: pass larger "
            f"images, or the name of a layer. {_hint(backbone, fitting)} "
            f"Received: stages of the shapes {[s.output_shape for s in stages]}"
        )
    boundaries = {s.name: s.boundary for s in stages}
    name = boundaries.get(stage, stage)
    shape = _output_shape(model, name, boundaries)
    if not _is_grid(shape):
        raise ValueError(
            f"'{stage}' has no grid of positions: its output must be (batch, rows, columns, "
            "channels), or (batch, tokens, channels) with a square number of tokens, and more "
            f"than one position. {_hint(backbone, fitting)} "
            f"Received: stage={stage!r}, of shape {tuple(shape)}"
        )
    return name


def _hint(backbone, fitting):
    if fitting:
        return f"Stages with a grid: {list(fitting)}."
    boundaries = graph.boundaries(backbone).items()
    return f"Layers with a grid: {[name for name, t in boundaries if _is_grid(t.shape)]}."


def _output_shape(model, name, stages):
    operations = [operation.name for operation in graph.forward_operations(model)]
    if name not in operations:
        close = difflib.get_close_matches(str(name), [*stages, *operations], n=3)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
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
