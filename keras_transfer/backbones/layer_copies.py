"""Layers of KerasHub whose config does not build them again, and their transformer blocks."""

import inspect

import keras

from keras_transfer.backbones import graph


@keras.saving.register_keras_serializable(package="keras_transfer")
class ConfiguredLayer(keras.layers.Layer):
    """A layer that is saved by the arguments that it was made with.

    Some layers of KerasHub have a `get_config` that their constructor does not take.
    `Backbone.from_model` puts them into this one, so that they can be copied and saved.

    Args:
        layer: a layer, or its serialized form.
    """

    def __init__(self, layer: keras.layers.Layer | dict, **kwargs):
        super().__init__(**kwargs)
        if isinstance(layer, dict):
            layer = keras.saving.deserialize_keras_object(layer)
        self.layer = layer

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)

    def call(self, *args, **kwargs):
        return self.layer(*args, **kwargs)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": {**layer, "config": _arguments(self.layer)}}


def _arguments(layer):
    """What the constructor of a layer was given."""
    recorded = layer._auto_config
    if recorded is not None:
        return {"name": layer.name, **recorded.serialize()}
    taken = inspect.signature(type(layer).__init__).parameters
    kept = {"name", "dtype", "trainable", *taken}
    return {key: value for key, value in layer.get_config().items() if key in kept}


def copyable_network(model: keras.Model) -> keras.Model:
    """The same network with layers that can be copied, its encoders as their blocks.

    A network without layers of KerasHub is returned as it is.
    """
    model = _with_changed_layers(graph.as_functional(model), _is_encoder, _by_block)
    return _with_changed_layers(model, _loses_its_config, _configured)


def _with_changed_layers(model, is_changed, replacement):
    operations = [one for one in graph.leaf_operations(model) if _is_of_keras_hub(one)]
    changed = {one: replacement(one) for one in operations if is_changed(one)}
    if not changed:
        return model
    inputs = [graph.same_input(tensor) for tensor in model.inputs]
    outputs = graph.replay(model, inputs, lambda one: changed.get(one, one))
    return keras.Model(inputs, outputs, name=model.name)


def _is_of_keras_hub(operation):
    is_layer = isinstance(operation, keras.Layer)
    return is_layer and type(operation).__module__.split(".")[0] == "keras_hub"


def _loses_its_config(layer):
    try:
        type(layer).from_config(layer.get_config())
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return True
    return False


def _configured(layer):
    return ConfiguredLayer(layer, name=layer.name, dtype=layer.dtype_policy)


def _by_block(layer):
    """Calls what is in a layer, so that each block is in the graph."""

    def call(*args, **kwargs):
        try:
            return layer.call(*args, **kwargs)
        except ValueError:  # a block has an output that is no tensor
            return layer(*args, **kwargs)

    return call


def _is_encoder(layer):
    """Whether a layer is a sequence of blocks, and has no weights beside those of its parts."""
    parts = layer._flatten_layers(include_self=False, recursive=False)
    inside = {id(weight) for part in parts for weight in part.weights}
    blocks = [
        value
        for value in vars(layer).values()
        if isinstance(value, (list, tuple)) and len(value) > 1
    ]
    are_blocks = any(
        isinstance(value[0], keras.Layer) and len({type(one) for one in value}) == 1
        for value in blocks
    )
    return are_blocks and all(id(weight) in inside for weight in layer.weights)
