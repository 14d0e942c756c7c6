"""What every head is."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class Head:
    """What a model adds to a backbone for the new task; the base class of all heads.

    A head is a description: a call adds its layers to the graph of the features. For a head of
    your own, define `__call__`, `loss` and `metrics`, `get_config` if it has arguments, and
    register the class with `keras.saving.register_keras_serializable`.

    Attributes:
        takes_stages: whether it takes the output of each stage of the backbone instead of that
            of the last one. Defaults to False.
        takes_images: whether it takes the images of the model too, before the features: their
            shape says which size the output has. Defaults to False.
        inputs: further inputs of the model that it takes, made with `keras.Input` and with
            names of their own. Defaults to `()`, none.
        loss_weight: weight of its loss in a model with several heads. Defaults to 1.0.

    Example:
        >>> @keras.saving.register_keras_serializable(package="mine")
        ... class Distances(heads.Head):
        ...     def __call__(self, features, name="head", output_name=None):
        ...         features = keras.layers.GlobalMaxPooling2D(name=f"{name}_pooling")(features)
        ...         return keras.layers.Dense(2, name=output_name or f"{name}_output")(features)
        ...
        ...     def loss(self):
        ...         return keras.losses.Huber()
        >>> models.TransferModel(backbone, heads=Distances()).output_shape
        (None, 2)
    """

    takes_stages: bool = False
    takes_images: bool = False
    inputs: Sequence[keras.KerasTensor] = ()
    loss_weight: float = 1.0

    def __call__(self, features, name: str = "head", output_name: str | None = None):
        """Adds the head to the graph of `features`.

        Args:
            features: a `KerasTensor`, the features of the backbone. Layers of Keras read its
                padding mask, if it has one. A list of those of each stage with `takes_stages`;
                a list that starts with the images with `takes_images`, and one that ends with
                the tensors of `inputs`, if there are any.
            name: prefix of the names of the layers. Defaults to "head".
            output_name: name of the last layer. Defaults to None, `{name}_output`.

        Returns:
            The output, a `KerasTensor`.
        """
        raise NotImplementedError

    def loss(self) -> keras.losses.Loss:
        """The default loss."""
        raise NotImplementedError

    def metrics(self) -> list[keras.metrics.Metric]:
        """New default metrics; none unless a head has some."""
        return []

    @property
    def task(self) -> "Head":
        """The head whose labels these are: itself, or one within."""
        return self

    @property
    def num_names(self) -> int:
        """How many class names an exported model takes; 0 if the head predicts numbers."""
        return 0

    def named_outputs(
        self, output: tf.Tensor, class_names: Sequence[str] | None = None
    ) -> dict[str, tf.Tensor]:
        """The outputs of an exported model.

        A head that predicts classes overrides this method and `num_names`.

        Args:
            output: a float32 tensor, the output of the head.
            class_names: `num_names` names. Defaults to None.

        Returns:
            A dict of name to tensor.
        """
        return {"values": output}

    def encoded_outputs(
        self,
        output: tf.Tensor,
        named: dict[str, tf.Tensor],
        class_names: Sequence[str] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Further outputs of an export for TensorFlow Serving, beside `named_outputs`.

        Other runtimes lack operations that these may need, such as one that encodes files.

        Args:
            output: as in `named_outputs`.
            named: what `named_outputs` returned.
            class_names: as in `named_outputs`.
        """
        return {}

    def get_config(self) -> dict[str, Any]:
        """The arguments of the head."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Head":
        """The head with these arguments."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))
