"""A summary of a model with one line for each stage."""

import math

import keras

from keras_transfer.backbones import graph


def stage_summary(model):
    """A table of the stages of a `TransferModel` and of its heads.

    Returns:
        A string with a line for each stage: its name, its boundary, the output shape, the
        number of parameters, how many of them train, and the learning-rate multiplier (a range
        if it differs within the stage, `-` if nothing trains).
    """
    rows = [("stage", "ends at", "output shape", "parameters", "trained", "rate")]
    for stage in model.backbone.stages:
        rows.append((stage.name, stage.boundary, stage.output_shape, *_of(model, stage.layers)))
    for name, layers in _layers_of_heads(model).items():
        end = layers[-1]
        rows.append((name, end, model.get_layer(end).output.shape, *_of(model, layers)))
    return _aligned([[_text(cell) for cell in row] for row in rows])


def _layers_of_heads(model):
    """The names of the layers of each head, which all start with its name, in order."""
    backbone = {operation.name for operation in graph.forward_operations(model.backbone)}
    added = [op.name for op in graph.forward_operations(model) if op.name not in backbone]
    if not isinstance(model.heads, dict):
        return {"head": added}
    return {
        head: [name for name in added if name == head or name.startswith(f"{head}_")]
        for head in model.heads
    }


def _of(model, names):
    layers = [layer for layer in model.layers if layer.name in set(names)]
    total = sum(math.prod(weight.shape) for layer in layers for weight in layer.weights)
    trained = [weight for layer in layers for weight in layer.trainable_weights]
    count = sum(math.prod(weight.shape) for weight in trained)
    share = "all" if count == total and total else f"{count:,}" if count else "frozen"
    return f"{total:,}", share, _rate(model, trained)


def _rate(model, trained):
    optimizer = model.optimizer if model.compiled else None
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    if not trained:
        return "-"
    if not hasattr(optimizer, "multiplier_for"):
        return "1"
    rates = sorted({optimizer.multiplier_for(variable) for variable in trained})
    return " to ".join(f"{rate:.3g}" for rate in dict.fromkeys((rates[0], rates[-1])))


def _text(cell):
    if isinstance(cell, tuple):
        return " x ".join("?" if size is None else str(size) for size in cell[1:])
    return str(cell)


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
