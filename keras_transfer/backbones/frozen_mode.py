"""Frozen layers run in inference mode for every value of `training`."""

import functools

import keras


def leaf_layers(layer):
    """The layers inside a layer that contain no layers, or the layer itself."""
    return [
        inner
        for inner in layer._flatten_layers()
        if not list(inner._flatten_layers(include_self=False, recursive=False))
    ]


def follow_trainable(layer):
    """Makes a layer ignore `training=True` while it is frozen.

    Keras does this only for BatchNormalization. Dropout and stochastic depth still draw random
    numbers in a frozen network (and `base(x, training=False)` does not reach them in `fit`), so
    the output of the frozen part would be random. This wraps `call` of the instance; the class,
    config and weights do not change.
    """
    for leaf in leaf_layers(layer):
        takes_training = "training" in leaf._call_signature.parameters
        if takes_training and not hasattr(leaf.call, "_follows_trainable"):
            leaf.call = _inference_while_frozen(leaf)


def _inference_while_frozen(layer):
    call = layer.call

    @functools.wraps(call)
    def guarded(*args, training=None, **kwargs):
        return call(*args, training=bool(training) and layer.trainable, **kwargs)

    guarded._follows_trainable = True
    return guarded


def is_random(layer):
    """Whether the output of a layer in training now differs from that in inference."""
    return any(
        leaf.trainable
        and "training" in leaf._call_signature.parameters
        and not (isinstance(leaf, keras.layers.Dropout) and leaf.rate == 0)
        for leaf in leaf_layers(layer)
    )
