"""A head for several labels at once."""

import keras

from keras_transfer.heads.dense_head import DenseHead


@keras.saving.register_keras_serializable(package="keras_transfer")
class SigmoidHead(DenseHead):
    """A head whose outputs are the probabilities of labels that may all hold at once.

    Args:
        num_labels: the number of labels.
        **dense_arguments: `hidden_units`, `hidden_activation`, `normalization`, `pooling`,
            `dropout` and `loss_weight`, as in `DenseHead`.

    Output shape: `(batch, num_labels)`, float32, each in [0, 1]. Labels have the same shape,
    each 0 or 1.
    """

    def __init__(self, num_labels, **dense_arguments):
        super().__init__(num_labels, activation="sigmoid", **dense_arguments)
        self.num_labels = num_labels

    def loss(self):
        """The loss for this output: binary cross-entropy, the mean over the labels."""
        return keras.losses.BinaryCrossentropy()

    def metrics(self):
        """New metrics: accuracy by label, and the area under the ROC curve."""
        return [
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.AUC(name="auc", multi_label=self.num_labels > 1),
        ]

    def get_config(self):
        return {"num_labels": self.num_labels, **self._common_config()}
