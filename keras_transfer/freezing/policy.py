"""The base of all freeze policies."""

import abc

import keras

from keras_transfer._text import did_you_mean
from keras_transfer.backbones import graph
from keras_transfer.backbones.frozen_mode import every_layer


class FreezePolicy(abc.ABC):
    """Decides which layers of a backbone train.

    A policy is a value: it has no effect before `apply`, two policies with equal arguments are
    equal, and a model saves its policy. For a policy of your own, override
    `unfrozen_operations`.

    Args:
        batch_norm: `"frozen"` (the default) freezes every BatchNormalization of the backbone,
            in the trained part too: scale, offset and the moving statistics, which would drift
            on small batches. `"trainable"` trains those in the trained part, `"affine"` their
            scale and offset alone.
    """

    def __init__(self, batch_norm: str = "frozen"):
        if batch_norm not in ("frozen", "trainable", "affine"):
            raise ValueError(
                "`batch_norm` must be 'frozen', 'trainable' or 'affine'. "
                f"Received: batch_norm={batch_norm!r}"
            )
        self.batch_norm = batch_norm

    @abc.abstractmethod
    def unfrozen_operations(self, backbone: keras.Model) -> list[str]:
        """The names of the operations that are not frozen, BatchNormalization included."""

    def trainable_layers(self, backbone: keras.Model) -> list[str]:
        """The names of the layers to train, in the order of the graph; changes nothing.

        Args:
            backbone: a `Backbone`, a model that has one, or another functional or sequential
                model.

        Raises:
            ValueError: if `unfrozen_operations` names one that the backbone does not have.
        """
        backbone = graph.as_functional(getattr(backbone, "backbone", backbone))
        unfrozen = set(self.unfrozen_operations(backbone))
        self._check_names(unfrozen, backbone)
        return [
            layer.name
            for layer in backbone.layers
            if layer.name in unfrozen
            and not isinstance(layer, keras.layers.InputLayer)
            and not self._keeps_frozen(layer)
        ]

    def apply(self, backbone: keras.Model) -> None:
        """Sets `trainable` of every layer and variable of the backbone, nested ones included.

        The result does not depend on policies applied before, nor on changes by hand. In a
        layer with LoRA that trains, the kernel stays frozen and its update trains.

        Args:
            backbone: a `Backbone`, a model that has one, or another functional or sequential
                model.
        """
        given = getattr(backbone, "backbone", backbone)
        backbone = graph.as_functional(given)
        trainable = set(self.trainable_layers(backbone))
        for layer in backbone.layers:
            if layer.name in trainable and hasattr(layer, "cannot_train"):
                raise ValueError(f"{layer.cannot_train} Received: {type(self).__name__}")
        affine: set[int] = set()
        given.trainable = True
        for layer in backbone.layers:
            for inner in every_layer([layer]):
                is_trained = layer.name in trainable and not self._keeps_frozen(inner)
                # With `trainable=False` it uses its statistics and does not change them.
                is_affine = is_trained and self.batch_norm == "affine" and _is_batch_norm(inner)
                inner.trainable = is_trained and not is_affine
                if is_affine:
                    affine |= {id(variable) for variable in inner._trainable_variables}
        trained = _trained_variables(every_layer(backbone.layers)) | affine
        for variable in backbone.variables:
            variable.trainable = id(variable) in trained

    def _check_names(self, unfrozen, backbone):
        names = {one.name for one in (*backbone.layers, *graph.forward_operations(backbone))}
        unknown = min(unfrozen - names, default=None)
        if unknown is not None:
            raise ValueError(
                f"`{type(self).__name__}.unfrozen_operations` names what '{backbone.name}' "
                f"does not have.{did_you_mean(unknown, names)} Received: {unknown!r}"
            )

    def _keeps_frozen(self, layer):
        return _is_batch_norm(layer) and self.batch_norm == "frozen"

    def get_config(self):
        """The arguments of the policy."""
        return {"batch_norm": self.batch_norm}

    @classmethod
    def from_config(cls, config):
        """The policy with these arguments."""
        return cls(**config)

    @classmethod
    def from_json(cls, values: dict) -> "FreezePolicy":
        """The policy that `keras.saving.serialize_keras_object` described.

        The description may come from elsewhere: it makes a registered policy from numbers and
        strings, and no other Keras object.

        Args:
            values: the description.

        Raises:
            ValueError: if it describes something else.

        Example:

        >>> described = keras.saving.serialize_keras_object(freezing.UnfreezeLast(2))
        >>> freezing.FreezePolicy.from_json(described)
        UnfreezeLast(num_stages=2, batch_norm='frozen')
        """
        return registered(values, FreezePolicy, "freeze policy")

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def registered(values, kind, what):
    """The object of a registered class of a kind, from a description that Keras wrote."""
    name = values.get("registered_name") if isinstance(values, dict) else None
    known = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    is_known = isinstance(known, type) and issubclass(known, kind)
    if not is_known or not _is_plain(values.get("config")):
        raise ValueError(f"It is not a registered {what}: {name!a:.60}")
    return keras.saving.deserialize_keras_object(values)


def _is_batch_norm(layer):
    return isinstance(layer, keras.layers.BatchNormalization)


def _trained_variables(layers):
    """The ids of the variables that train; one that a frozen layer shares does not."""
    trained, frozen = set(), set()
    for layer in layers:
        names = {variable.name for variable in layer._trainable_variables}
        for variable in layer._trainable_variables:
            has_lora = f"lora_{variable.name}_a" in names
            (trained if layer.trainable and not has_lora else frozen).add(id(variable))
    return trained - frozen


def _is_plain(value):
    """Whether the arguments of a policy hold no other Keras object than tuples."""
    if isinstance(value, dict):
        return value.get("class_name") in (None, "__tuple__") and all(
            map(_is_plain, value.values())
        )
    return all(map(_is_plain, value)) if isinstance(value, list) else True
