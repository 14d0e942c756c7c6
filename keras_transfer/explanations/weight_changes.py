"""How far the weights of each stage have moved."""

import numpy as np

from keras_transfer.explanations.learned_weights import learned_weights


def weight_change(before, after):
    """How far the learned weights of each stage moved, relative to where they were.

    The Euclidean length of the difference over that of the weights before, over all weights of
    a stage. The statistics of BatchNormalization are no part of it.

    Args:
        before: a `TransferModel` or a `Backbone`.
        after: one with the same layers, such as the same network after its training.

    Returns:
        A dict of the name of the stage to a float; 0 where nothing changed, and 1 where all
        weights were 0 and are not.

    Raises:
        ValueError: if the layers differ.
    """
    before, after = (getattr(model, "backbone", model) for model in (before, after))
    check_alike(before, after)
    changes = {}
    for stage in before.stages:
        squares = np.zeros(2)
        for name in stage.layers:
            for old, new in zip(*(_learned(m, name) for m in (before, after)), strict=True):
                squares += np.sum((new - old) ** 2), np.sum(old**2)
        moved, length = np.sqrt(squares)
        changes[stage.name] = float(moved / length) if length else float(moved > 0)
    return changes


def check_alike(before, after):
    """Raises `ValueError` unless two backbones have the same layers with the same shapes."""
    shapes = [
        {weight.path: tuple(weight.shape) for weight in model.weights}
        for model in (before, after)
    ]
    differing = sorted(
        path for path in {*shapes[0], *shapes[1]} if shapes[0].get(path) != shapes[1].get(path)
    )
    if differing:
        raise ValueError(
            "Only two states of the same network are compared, and their weights differ: "
            f"'{differing[0]}' has the shape {shapes[0].get(differing[0])} before and "
            f"{shapes[1].get(differing[0])} after. Received: before='{before.name}', "
            f"after='{after.name}'"
        )


def _learned(model, name):
    layer = next((layer for layer in model.layers if layer.name == name), None)
    return [
        weight.numpy().astype("float64")
        for weight in (learned_weights(layer) if layer is not None else ())
    ]
