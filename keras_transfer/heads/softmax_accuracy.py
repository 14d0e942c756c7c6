"""Accuracy for labels as indices and for labels as probabilities."""

import keras

from keras_transfer.heads.softmax_crossentropy import are_probabilities


@keras.saving.register_keras_serializable(package="keras_transfer")
class SoftmaxAccuracy(keras.metrics.MeanMetricWrapper):
    """The share of pictures whose most probable class is the label's.

    Keras' `"accuracy"` decides by the first batch whether labels are indices, and is wrong
    when training labels are mixed (MixUp, CutMix) and validation labels are not. Of a mixed
    label the larger part counts.
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(_hits, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _hits(labels, probabilities):
    if are_probabilities(labels, probabilities):
        return keras.metrics.categorical_accuracy(labels, probabilities)
    return keras.metrics.sparse_categorical_accuracy(labels, probabilities)
