"""The weights of a layer that training changes."""

import keras

# What a layer counts or draws, and does not learn.
_NOT_LEARNED = ("moving_mean", "moving_variance", "seed_generator_state")


def learned_weights(layer):
    """The weights that a layer learns, whether it is frozen or not.

    Args:
        layer: a layer. The constants of `Normalization` and the statistics of
            BatchNormalization are not learned.

    Returns:
        A list of variables.
    """
    if isinstance(layer, keras.layers.Normalization):
        return []
    return [w for w in layer.weights if w.path.rsplit("/", 1)[-1] not in _NOT_LEARNED]
