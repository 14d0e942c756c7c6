"""What a freeze policy is."""

import abc

import keras

from keras_transfer.backbones.frozen_mode import leaf_layers


class FreezePolicy(abc.ABC):
    """Says which layers of a backbone are trained.

    A policy is a value: it has no effect until it is applied, two policies with the same
    arguments are equal, and it is saved with the model.

    Args:
        batch_norm: `"frozen"` keeps every BatchNormalization of the backbone frozen, in the
            trained part as well: its scale, its offset and its moving statistics, which would
            drift on small batches. `"trainable"` trains those in the trained part. Those in
            the frozen part are frozen in any case.
    """

    def __init__(self, batch_norm="frozen"):
        if batch_norm not in ("frozen", "trainable"):
            raise ValueError(
                "`batch_norm` must be 'frozen' or 'trainable'. "
                f"Received: batch_norm={batch_norm!r}"
            )
        self.batch_norm = batch_norm

    @abc.abstractmethod
    def unfrozen_operations(self, backbone):
        """The names of the operations outside the frozen part, BatchNormalization included."""

    def trainable_layers(self, backbone):
        """The names of the layers to train, in the order of the graph. Nothing is changed.

        Args:
            backbone: a `Backbone`, or a model that has one.
        """
        backbone = getattr(backbone, "backbone", backbone)
        unfrozen = set(self.unfrozen_operations(backbone))
        return [
            layer.name
            for layer in backbone.layers
            if layer.name in unfrozen
            and not isinstance(layer, keras.layers.InputLayer)
            and not self._keeps_frozen(layer)
        ]

    def apply(self, backbone):
        """Writes `trainable` on every layer of the backbone, down to the innermost ones.

        Applying one policy after another equals applying the last one alone.

        Args:
            backbone: a `Backbone`, or a model that has one.
        """
        backbone = getattr(backbone, "backbone", backbone)
        trainable = set(self.trainable_layers(backbone))
        backbone.trainable = True
        for layer in backbone.layers:
            # Keras does not pass on a value that the outer layer has already: write both.
            layer.trainable = False
            layer.trainable = layer.name in trainable
            for leaf in leaf_layers(layer):
                leaf.trainable = layer.name in trainable and not self._keeps_frozen(leaf)

    def _keeps_frozen(self, layer):
        is_batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        return is_batch_norm and self.batch_norm == "frozen"

    def get_config(self):
        """The arguments of the policy."""
        return {"batch_norm": self.batch_norm}

    @classmethod
    def from_config(cls, config):
        """The policy with these arguments."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
