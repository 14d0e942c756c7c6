"""Frozen layers run in inference mode for every value of `training`."""

import contextlib
import functools

import keras


def follow_trainable(layer):
    """Makes a layer, and those inside of it, ignore `training=True` while they are frozen.

    Keras does this only for BatchNormalization. Dropout and stochastic depth still draw random
    numbers in a frozen network (and `base(x, training=False)` does not reach them in `fit`), so
    the output of the frozen part would be random, and SpectralNormalization still changes its
    kernel. This wraps `call` of the instance; the class, config and weights do not change.
    """
    for inner in layer._flatten_layers():
        takes_training = "training" in inner._call_signature.parameters
        if takes_training and not hasattr(inner.call, "_follows_trainable"):
            inner.call = _inference_while_frozen(inner)


def _inference_while_frozen(layer):
    call = layer.call

    @functools.wraps(call)
    def guarded(*args, training=None, **kwargs):
        return call(*args, training=bool(training) and _is_trained(layer), **kwargs)

    guarded._follows_trainable = True
    return guarded


def _is_trained(layer):
    """Whether a layer may change in training."""
    if isinstance(layer, keras.layers.SpectralNormalization):  # changes the layer inside of it
        return layer.trainable and layer.kernel.trainable
    return layer.trainable


def is_random(layer):
    """Whether the output of a layer in training now differs from that in inference."""
    return any(
        inner.trainable
        and "training" in inner._call_signature.parameters
        and not (isinstance(inner, keras.layers.Dropout) and inner.rate == 0)
        for inner in layer._flatten_layers()
    )


class FrozenModeOfClones(keras.Model):
    """A functional model whose frozen layers are frozen in `keras.models.clone_model` too.

    Keras makes the layers of a clone from their configs, and the clone is a plain model.
    """

    def __setattr__(self, name, value):
        if name == "trainable":
            # Keras skips a value that a layer has: those inside of it would keep theirs.
            for layer in every_layer([self]):
                type(layer).trainable.fset(layer, value)
        else:
            super().__setattr__(name, value)

    def _run_through_graph(self, inputs, operation_fn=lambda layer: layer, call_fn=None):
        clones = []

        def noted(operation):
            made = operation_fn(operation)
            if made is not operation and isinstance(made, keras.Layer):
                clones.append((operation, made))
            return made

        outputs = super()._run_through_graph(inputs, noted, call_fn)
        for original, clone in clones:  # now they are built, the layers inside of them too
            follow_trainable(clone)
            if type(clone) is type(original):
                set_trainable_flags([clone], trainable_flags([original]))
        return outputs


@contextlib.contextmanager
def one_line_for_unknown_classes(name):
    """Reports a class that Keras does not find without the config of the whole model."""
    try:
        yield
    except TypeError as error:
        if "Could not locate" not in str(error):
            raise
        cause = str(error).split("Exception encountered: ")[-1]
        raise ValueError(
            f"Cannot load '{name}'. {cause.split(' Full object config:')[0]} Or pass "
            "`custom_objects` to `keras.saving.load_model`."
        ) from error


def every_layer(layers):
    """Layers, and those inside of them; an outer layer before its inner ones."""
    return [inner for layer in layers for inner in layer._flatten_layers()]


def trainable_flags(layers):
    """Which layers and variables train, as a config: it has those set by hand.

    Composite layers of Keras forget the low-rank updates (LoRA) of the layers inside of them.
    """
    inner = every_layer(layers)
    return {
        "updates": [
            [place, layer.lora_rank, layer.lora_alpha]
            for place, layer in enumerate(inner)
            if getattr(layer, "lora_enabled", False)
        ],
        "layers": [layer.trainable for layer in inner],
        "variables": [variable.trainable for variable in _variables(layers)],
    }


def set_trainable_flags(layers, flags):
    """Sets what `trainable_flags` returned for the same layers of a copy."""
    inner = every_layer(layers)
    for place, rank, alpha in flags.get("updates", ()):
        if not inner[place].lora_enabled:
            inner[place].enable_lora(rank, lora_alpha=alpha)
    for layer, trainable in zip(inner, flags["layers"], strict=True):
        layer.trainable = trainable
    for variable, trainable in zip(_variables(layers), flags["variables"], strict=True):
        variable.trainable = trainable


def _variables(layers):
    return [variable for layer in layers for variable in layer.variables]
