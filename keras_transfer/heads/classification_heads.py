"""Heads for classes and for labels, with the loss and the accuracy of classes."""

from typing import Any

import keras
import tensorflow as tf

from keras_transfer.heads.dense_head import DenseHead


@keras.saving.register_keras_serializable(package="keras_transfer")
class SoftmaxHead(DenseHead):
    """A head for single-label classification: the output is a softmax over the classes.

    Args:
        num_classes: number of classes, at least 2.
        label_smoothing: fraction of each label that the loss spreads over all classes. Defaults
            to 0.0.
        **dense_arguments: `hidden_units`, `hidden_activation`, `normalization`, `pooling`,
            `dropout` and `loss_weight`, as in `DenseHead`.

    Output shape: `(batch, num_classes)`, float32; each row sums to 1. Labels are indices of
    shape `(batch,)`, or probabilities of shape `(batch, num_classes)`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> model = models.TransferModel(backbone, heads=heads.SoftmaxHead(10, dropout=0.2))
        >>> model.output_shape
        (None, 10)
    """

    def __init__(self, num_classes: int, label_smoothing: float = 0.0, **dense_arguments: Any):
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
        """The cross-entropy."""
        return SoftmaxCrossentropy(label_smoothing=self.label_smoothing)

    def metrics(self):
        """The accuracy, for indices and for probabilities as labels."""
        return [SoftmaxAccuracy()]

    @property
    def num_names(self):
        return self.num_classes

    def named_outputs(self, output, class_names=None):
        """`probabilities`, `class_index` and, with names, `label`, that of the class."""
        index = tf.argmax(output, axis=-1)
        named = {"probabilities": output, "class_index": index}
        if class_names is not None:
            named["label"] = tf.gather(tf.constant(class_names), index)
        return named

    def get_config(self):
        return {
            "num_classes": self.num_classes,
            "label_smoothing": self.label_smoothing,
            **self._common_config(),
        }


@keras.saving.register_keras_serializable(package="keras_transfer")
class SigmoidHead(DenseHead):
    """A head for multi-label classification: each output is the probability of one label.

    Args:
        num_labels: number of labels.
        **dense_arguments: `hidden_units`, `hidden_activation`, `normalization`, `pooling`,
            `dropout` and `loss_weight`, as in `DenseHead`.

    Output shape: `(batch, num_labels)`, float32 in [0, 1]. Labels have the same shape, with
    values 0 or 1.

    Example:
        >>> model = models.TransferModel(backbone, heads=heads.SigmoidHead(20))
        >>> model.output_shape
        (None, 20)
    """

    def __init__(self, num_labels: int, **dense_arguments: Any):
        super().__init__(num_labels, activation="sigmoid", **dense_arguments)
        self.num_labels = num_labels

    def loss(self):
        """The binary cross-entropy, averaged over the labels."""
        return keras.losses.BinaryCrossentropy()

    def metrics(self):
        """The accuracy per label, and the area under the ROC curve."""
        return [
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.AUC(name="auc", multi_label=self.num_labels > 1),
        ]

    @property
    def num_names(self):
        return self.num_labels

    def named_outputs(self, output, class_names=None):
        """`probabilities` and, with names, `labels`: all names for each image."""
        named = {"probabilities": output}
        if class_names is not None:
            named["labels"] = tf.tile(tf.constant([class_names]), [tf.shape(output)[0], 1])
        return named

    def get_config(self):
        return {"num_labels": self.num_labels, **self._common_config()}


@keras.saving.register_keras_serializable(package="keras_transfer")
class SoftmaxCrossentropy(keras.losses.Loss):
    """Cross-entropy for labels as indices and for labels as probabilities.

    Labels with the shape of the predictions are probabilities (one-hot, or mixed by MixUp and
    CutMix), others are class indices. One compiled model therefore trains with and without
    augmentation that mixes labels.

    Args:
        label_smoothing: fraction of each label that is spread over all classes. Defaults to
            0.0.
        reduction: as for `keras.losses.Loss`.
        name: name of the loss.
        **kwargs: further arguments of `keras.losses.Loss`.

    Example:
        >>> loss = SoftmaxCrossentropy()
        >>> float(loss(np.array([1]), np.array([[0.0, 1.0]]))) < 1e-6
        True
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
        name: str = "softmax_crossentropy",
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
    """Whether labels are probabilities of all classes rather than class indices."""
    same_rank = len(labels.shape) == len(probabilities.shape)
    return same_rank and labels.shape[-1] == probabilities.shape[-1]


@keras.saving.register_keras_serializable(package="keras_transfer")
class SoftmaxAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy for labels as indices and for labels as probabilities.

    Keras' `"accuracy"` decides from the first batch whether labels are indices, and is wrong
    if training labels are mixed (MixUp, CutMix) and validation labels are not. The larger part
    of a mixed label counts as its class.

    Args:
        name: name of the metric. Defaults to "accuracy".
        dtype: as for `keras.metrics.Metric`.

    Example:
        >>> metric = SoftmaxAccuracy()
        >>> float(metric(np.array([1, 0]), np.array([[0.2, 0.8], [0.4, 0.6]])))
        0.5
    """

    def __init__(self, name: str = "accuracy", dtype: str | None = None):
        super().__init__(_hits, name=name, dtype=dtype)
        self._direction = "up"  # for callbacks such as `EarlyStopping("val_accuracy")`

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _hits(labels, probabilities):
    if are_probabilities(labels, probabilities):
        return keras.metrics.categorical_accuracy(labels, probabilities)
    return keras.metrics.sparse_categorical_accuracy(labels, probabilities)
