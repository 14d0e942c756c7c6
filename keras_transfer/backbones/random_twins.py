"""The same network without what it has learned."""

import random

import keras

from keras_transfer.backbones import graph


def random_twin(backbone, seed=0):
    """A backbone of the same graph with weights that are drawn anew.

    What pretraining is worth is the difference between a network and its twin. The statistics
    of a `Normalization` layer are part of the preprocessing, and stay.

    Args:
        backbone: a `Backbone`; it stays as it is.
        seed: of the weights. Defaults to 0.

    Returns:
        A `Backbone` with layers of its own, each initialised as its layer says.
    """
    # Initializers without a seed take theirs from here.
    state = random.getstate()
    random.seed(f"twin {seed}")  # not what a script set before it made the original
    try:
        twin = type(backbone).from_config(backbone.get_config())
    finally:
        random.setstate(state)
    for original, layer in zip(backbone.layers, twin.layers, strict=True):
        if isinstance(layer, keras.layers.Normalization):
            graph.set_layer_weights(layer, original.get_weights())
    return twin
