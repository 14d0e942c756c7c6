"""Cross-entropy for labels as indices and for labels as probabilities."""

import keras


@keras.saving.register_keras_serializable(package="keras_transfer")
class SoftmaxCrossentropy(keras.losses.Loss):
    """The cross-entropy of probabilities, for either kind of label.

    Labels of the predictions' shape are probabilities (one-hot, or mixed by MixUp and CutMix),
    others are indices of classes, so that augmentation does not change how a model is
    compiled.

    Args:
        label_smoothing: the share of each label that is spread over all classes. Defaults to
            0.0.
    """

    def __init__(
        self,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name="softmax_crossentropy",
        **kwargs,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"`label_smoothing` must be in [0, 1). Received: {label_smoothing}"
            )
        self.label_smoothing = label_smoothing

    def call(self, labels, probabilities):
        if not are_probabilities(labels, probabilities):
            if len(labels.shape) == len(probabilities.shape):
                labels = keras.ops.squeeze(labels, axis=-1)
            if not self.label_smoothing:
                return keras.losses.sparse_categorical_crossentropy(labels, probabilities)
            labels = keras.ops.one_hot(
                keras.ops.cast(labels, "int32"), probabilities.shape[-1], dtype="float32"
            )
        return keras.losses.categorical_crossentropy(
            labels, probabilities, label_smoothing=self.label_smoothing
        )

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def are_probabilities(labels, probabilities):
    """Whether labels are a probability for each class, and not the index of one."""
    same_rank = len(labels.shape) == len(probabilities.shape)
    return same_rank and labels.shape[-1] == probabilities.shape[-1]
