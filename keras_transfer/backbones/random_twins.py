"""Backbones with the graph of another one and random weights."""

import dataclasses
import random

from keras_transfer.backbones import graph


def random_twin(backbone, seed=0):
    """A backbone with the same graph and random weights, by its layers' own initializers.

    The difference in accuracy between a network and its twin is what the pretraining is worth.
    The statistics of a `Normalization` layer are part of the preprocessing and are kept.

    Example:
        >>> twin = random_twin(backbone)
        >>> twin.count_params() == backbone.count_params()
        True
    """
    # Initializers without a seed draw theirs from `random`.
    state = random.getstate()
    random.seed(f"twin {seed}")  # unlike a seed that a script set before it built the original
    try:
        twin = type(backbone).from_config(backbone.get_config())
    finally:
        random.setstate(state)
    twin.source = dataclasses.replace(twin.source, origin="random weights", licence=None)
    for original, layer in zip(backbone.layers, twin.layers, strict=True):
        if not graph.is_learned(layer):
            graph.copy_state(original, layer)
    return twin
