"""What is added: heads for the new task."""

from keras_transfer.heads.dense_head import DenseHead
from keras_transfer.heads.pooling import GeneralizedMeanPooling
from keras_transfer.heads.sigmoid_head import SigmoidHead
from keras_transfer.heads.softmax_accuracy import SoftmaxAccuracy
from keras_transfer.heads.softmax_crossentropy import SoftmaxCrossentropy
from keras_transfer.heads.softmax_head import SoftmaxHead

__all__ = [
    "DenseHead",
    "GeneralizedMeanPooling",
    "SigmoidHead",
    "SoftmaxAccuracy",
    "SoftmaxCrossentropy",
    "SoftmaxHead",
]
