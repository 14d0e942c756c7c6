"""The loss and the metrics of masks."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_transfer")
class SegmentationLoss(keras.losses.Loss):
    """Cross-entropy of pixels, and the Dice loss if wanted.

    Labels are class indices of shape `(batch, height, width)`, predictions logits of shape
    `(batch, height, width, classes)`. Each image counts the same, whatever it leaves out.

    Args:
        ignore_class: the label of pixels that do not count. Defaults to None.
        dice: the share of the Dice loss, from 0 (the default) to 1.
        class_weights: a weight for each class. Defaults to None, 1 for each.
        reduction: as for `keras.losses.Loss`.
        name: name of the loss.
        **kwargs: further arguments of `keras.losses.Loss`.

    Reference:
        Milletari et al., "V-Net", 2016, for the Dice loss, here the mean over the classes that
        an image shows.
    """

    def __init__(
        self,
        ignore_class=None,
        dice=0.0,
        class_weights=None,
        reduction="sum_over_batch_size",
        name="segmentation_loss",
        **kwargs,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.ignore_class, self.dice, self.class_weights = ignore_class, dice, class_weights

    def call(self, labels, logits):
        labels, counted = _counted(labels, logits, self.ignore_class)
        logits = tf.cast(logits, "float32")
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        weights = counted = tf.cast(counted, "float32")
        if self.class_weights is not None:
            weights = counted * tf.gather(tf.constant(self.class_weights, "float32"), labels)
        number = tf.maximum(tf.reduce_sum(counted, axis=(1, 2)), 1.0)
        loss = tf.reduce_sum(entropy * weights, axis=(1, 2)) / number
        if not self.dice:
            return loss
        return (1 - self.dice) * loss + self.dice * _dice_loss(labels, logits, counted)

    def get_config(self):
        config = {
            name: getattr(self, name) for name in ("ignore_class", "dice", "class_weights")
        }
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="keras_transfer")
class PixelAccuracy(keras.metrics.Mean):
    """The share of pixels whose class is right.

    Args:
        ignore_class: as in `SegmentationLoss`.
        name: name of the metric.
        dtype: as for `keras.metrics.Metric`.
    """

    _direction = "up"

    def __init__(self, ignore_class=None, name="pixel_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.ignore_class = ignore_class

    def update_state(self, labels, logits, sample_weight=None):
        labels, counted = _counted(labels, logits, self.ignore_class)
        right = tf.cast(labels == tf.argmax(logits, axis=-1, output_type="int32"), "float32")
        super().update_state(right, tf.cast(counted, "float32"))

    def get_config(self):
        return {**super().get_config(), "ignore_class": self.ignore_class}


@keras.saving.register_keras_serializable(package="keras_transfer")
class MeanIoU(keras.metrics.Metric):
    """The mean of the intersection over union of all classes that occur.

    `keras.metrics.MeanIoU` also counts classes that no pixel has, and fails at labels out of
    range.

    Args:
        num_classes: number of classes.
        ignore_class: as in `SegmentationLoss`.
        name: name of the metric.
        dtype: as for `keras.metrics.Metric`.
    """

    _direction = "up"

    def __init__(self, num_classes, ignore_class=None, name="mean_iou", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes, self.ignore_class = num_classes, ignore_class
        # float32 loses pixels above 2 ** 24 of one kind.
        self.confusion = self.add_variable(
            (num_classes, num_classes), "zeros", dtype="float64", name="confusion"
        )

    def update_state(self, labels, logits, sample_weight=None):
        labels, counted = _counted(labels, logits, self.ignore_class)
        predicted = tf.argmax(logits, axis=-1, output_type="int32")
        size = self.num_classes**2
        # Values from `size` on are left out.
        pairs = tf.where(counted, labels * self.num_classes + predicted, size)
        # XLA needs a known size, which `tf.math.bincount` computes from the values.
        counts = tf.raw_ops.DenseBincount(
            input=tf.reshape(pairs, [-1]), size=size, weights=tf.zeros([0], "float64")
        )
        self.confusion.assign_add(tf.reshape(counts, self.confusion.shape))

    def result(self):
        confusion = tf.convert_to_tensor(self.confusion)
        both, true, union = _overlaps(confusion, tf)
        occurs = tf.cast(true > 0, "float64")
        shares = tf.math.divide_no_nan(both, union)
        mean = tf.math.divide_no_nan(tf.reduce_sum(shares * occurs), tf.reduce_sum(occurs))
        return tf.cast(mean, "float32")

    def get_config(self):
        config = {"num_classes": self.num_classes, "ignore_class": self.ignore_class}
        return {**super().get_config(), **config}


def class_ious(confusion):
    """The intersection over union of each class; NaN for one that no true pixel has.

    Args:
        confusion: pixels, a row for each true class and a column for each predicted one.
    """
    both, true, union = _overlaps(np.asarray(confusion, "float64"), np)
    return np.where(true > 0, both / np.maximum(union, 1), np.nan)


def _overlaps(confusion, library):
    both = library.linalg.diag_part(confusion) if library is tf else np.diagonal(confusion)
    sums = tf.reduce_sum if library is tf else np.sum
    true = sums(confusion, axis=1)
    return both, true, true + sums(confusion, axis=0) - both


def _counted(labels, logits, ignore_class):
    """int32 labels with 0 in the place of those that do not count, and which count."""
    labels = tf.cast(labels, "int32")
    if len(labels.shape) == len(logits.shape):
        labels = tf.squeeze(labels, axis=-1)
    if ignore_class is None:
        return labels, tf.ones_like(labels, "bool")
    counted = labels != ignore_class
    return tf.where(counted, labels, 0), counted


def _dice_loss(labels, logits, counted):
    shares = tf.nn.softmax(logits) * counted[..., None]
    true = tf.one_hot(labels, logits.shape[-1]) * counted[..., None]
    both, predicted, pixels = (
        tf.reduce_sum(one, axis=(1, 2)) for one in (shares * true, shares, true)
    )
    occurs = tf.cast(pixels > 0, "float32")
    dice = 2 * both / tf.maximum(predicted + pixels, 1.0)
    return 1 - tf.math.divide_no_nan(
        tf.reduce_sum(dice * occurs, axis=-1), tf.reduce_sum(occurs, axis=-1)
    )
