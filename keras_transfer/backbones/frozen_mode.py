"""Frozen layers run in inference mode, whatever `training` says."""

import functools

import keras


def leaf_layers(layer):
    """The layers inside a layer that have no layers inside, or the layer itself."""
    return [inner for inner in layer._flatten_layers() if not _children(inner)]


def _children(layer):
    return list(layer._flatten_layers(include_self=False, recursive=False))


def follow_trainable(layer):
    """Makes a layer ignore `training=True` while it is frozen.

    Keras does this for BatchNormalization only. Dropout and stochastic depth go on drawing
    random numbers in a frozen network (and `base(x, training=False)` does not reach them in
    `fit`), so the frozen part would not be a function of its input. The layer's own `call` is
    wrapped, on the instance: its class, config and weights stay what they were.
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
    """Whether a layer computes something else in training than in inference, now."""
    return any(
        leaf.trainable
        and "training" in leaf._call_signature.parameters
        and not (isinstance(leaf, keras.layers.Dropout) and leaf.rate == 0)
        for leaf in leaf_layers(layer)
    )
