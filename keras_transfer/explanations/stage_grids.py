"""The stage whose positions are looked at, and its features as a grid."""

import difflib
import math

import tensorflow as tf

from keras_transfer.backbones import graph


def stage_operation(model, stage=None):
    """The name of the operation that a stage ends with.

    Args:
        model: a `TransferModel` or a `Backbone`.
        stage: the name of a stage, such as `"stage4"`, or of any layer or operation whose
            output has positions. Defaults to None, the last stage that has.

    Returns:
        The name of an operation whose output is `(batch, rows, columns, channels)`, or
        `(batch, tokens, channels)` where the tokens form a square; more than one position.

    Raises:
        ValueError: if there is no such stage or it has no positions; the message names those
            that have.
    """
    backbone = getattr(model, "backbone", model)
    stages = backbone.stages
    fitting = {s.name: s.boundary for s in stages if _is_grid(s.output_shape)}
    if stage is None:
        if not fitting:
            raise ValueError(
                f"No stage of '{model.name}' has a grid of more than one position: give it "
                f"larger pictures, or name a layer. {_working(backbone, fitting)} "
                f"Received: stages of the shapes {[s.output_shape for s in stages]}"
            )
        return list(fitting.values())[-1]
    names = {s.name: s.boundary for s in stages}
    name = names.get(stage, stage)
    shape = _output_shape(model, name, [*names, *_operation_names(model)])
    if not _is_grid(shape):
        raise ValueError(
            f"'{stage}' has no grid of positions: its output must be (batch, rows, columns, "
            "channels), or (batch, tokens, channels) with a square number of tokens, and more "
            f"than one position. {_working(backbone, fitting)} "
            f"Received: stage={stage!r}, of shape {tuple(shape)}"
        )
    return name


def _working(backbone, fitting):
    """A sentence about what can be looked at."""
    if fitting:
        return f"Stages that work: {list(fitting)}."
    found = [
        name for name, tensor in graph.boundaries(backbone).items() if _is_grid(tensor.shape)
    ]
    return f"Layers that work: {found}."


def _operation_names(model):
    return [operation.name for operation in graph.forward_operations(model)]


def _output_shape(model, name, known):
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=3)
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
    """Features as float32 `(batch, rows, columns, channels)`; tokens row by row."""
    if features.shape.rank == 3:
        side = math.isqrt(features.shape[1])
        features = tf.reshape(features, (-1, side, side, features.shape[2]))
    return tf.cast(features, "float32")
