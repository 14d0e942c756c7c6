"""A convolutional head for texts."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_transfer.heads.classification_heads import SoftmaxHead
from keras_transfer.heads.pooling import pool


@keras.saving.register_keras_serializable(package="keras_transfer")
class TextConvHead(SoftmaxHead):
    """A head that looks for short phrases: convolutions over the positions, then their maximum.

    It fits word vectors, which know nothing of their neighbours. A transformer does; there a
    `SoftmaxHead` is enough.

    Args:
        num_classes: number of classes, at least 2.
        filters: number of filters of each size. Defaults to 100.
        kernel_sizes: lengths of the phrases, in words. Defaults to `(3, 4, 5)`.
        dropout: dropout rate before the output. Defaults to 0.5.
        **softmax_arguments: `label_smoothing`, `hidden_units` and `loss_weight`, as in
            `SoftmaxHead`.

    Input shape: `(batch, positions, features)`; positions that are padding have no part in it.
    Output shape: `(batch, num_classes)`, float32; each row sums to 1.

    Example:
        >>> words = backbones.Backbone.from_vectors(["good", "bad"], np.eye(2))
        >>> model = models.TransferModel(words, heads=heads.TextConvHead(2, filters=4))
        >>> model.predict(["good good", "bad"], verbose=0).shape
        (2, 2)

    Reference:
        Kim, "Convolutional Neural Networks for Sentence Classification", 2014.
    """

    def __init__(
        self,
        num_classes: int,
        filters: int = 100,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        dropout: float = 0.5,
        **softmax_arguments: Any,
    ):
        super().__init__(num_classes, dropout=dropout, **softmax_arguments)
        self.filters = filters
        self.kernel_sizes = tuple(kernel_sizes)

    def __call__(self, features, name="head", output_name=None):
        mask = getattr(features, "_keras_mask", None)
        if mask is not None:
            features = WithoutPadding(name=f"{name}_words")(features, mask)
        found = []
        for size in self.kernel_sizes:
            phrases = keras.layers.Conv1D(
                self.filters, size, padding="same", activation="relu", name=f"{name}_{size}"
            )(features)
            phrases._keras_mask = mask
            found.append(pool(phrases, "max", f"{name}_{size}_max"))
        joined = found[0]
        if found[1:]:
            joined = keras.layers.Concatenate(name=f"{name}_phrases")(found)
        return super().__call__(joined, name, output_name)

    def get_config(self):
        return {
            **super().get_config(), "filters": self.filters,
            "kernel_sizes": list(self.kernel_sizes),
        }  # fmt: skip


@keras.saving.register_keras_serializable(package="keras_transfer")
class WithoutPadding(keras.layers.Layer):
    """Features with zeros in the place of padding."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, features, previous_mask=None):
        return None

    def call(self, features, mask):
        return features * keras.ops.expand_dims(keras.ops.cast(mask, features.dtype), -1)

    def compute_output_shape(self, features_shape, mask_shape=None):
        return features_shape
