"""A head for one class out of several."""

import keras

from keras_transfer.heads.dense_head import DenseHead
from keras_transfer.heads.softmax_accuracy import SoftmaxAccuracy
from keras_transfer.heads.softmax_crossentropy import SoftmaxCrossentropy


@keras.saving.register_keras_serializable(package="keras_transfer")
class SoftmaxHead(DenseHead):
    """A head whose outputs are the probabilities of classes that exclude each other.

    Args:
        num_classes: the number of classes, at least 2.
        label_smoothing: the share of each label that is spread over all classes in the loss.
            Defaults to 0.0.
        **dense_arguments: `hidden_units`, `hidden_activation`, `normalization`, `pooling`,
            `dropout` and `loss_weight`, as in `DenseHead`.

    Output shape: `(batch, num_classes)`, float32, each row sums to 1. Labels are indices of
    shape `(batch,)`, or probabilities of shape `(batch, num_classes)`.
    """

    def __init__(self, num_classes, label_smoothing=0.0, **dense_arguments):
        if not isinstance(num_classes, int) or num_classes < 2:
            raise ValueError(
                "`num_classes` must be an integer of at least 2; for one yes-or-no label use "
                f"`SigmoidHead(1)`. Received: num_classes={num_classes!r}"
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"`label_smoothing` must be in [0, 1). Received: {label_smoothing}"
            )
        super().__init__(num_classes, activation="softmax", **dense_arguments)
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing

    def loss(self):
        """The loss for this output: cross-entropy."""
        return SoftmaxCrossentropy(label_smoothing=self.label_smoothing)

    def metrics(self):
        """New metrics for this output: accuracy, for either kind of label."""
        return [SoftmaxAccuracy()]

    def get_config(self):
        return {
            "num_classes": self.num_classes,
            "label_smoothing": self.label_smoothing,
            **self._common_config(),
        }
