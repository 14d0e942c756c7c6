"""The heads of a model, for the new task."""

from keras_transfer.heads.center_head import CenterHead
from keras_transfer.heads.classification_heads import SigmoidHead, SoftmaxHead
from keras_transfer.heads.dense_head import DenseHead
from keras_transfer.heads.head import Head
from keras_transfer.heads.joined_head import JoinedHead
from keras_transfer.heads.pooling import GeneralizedMeanPooling
from keras_transfer.heads.segmentation_head import SegmentationHead
from keras_transfer.heads.text_conv_head import TextConvHead

__all__ = [
    "CenterHead",
    "DenseHead",
    "GeneralizedMeanPooling",
    "Head",
    "JoinedHead",
    "SegmentationHead",
    "SigmoidHead",
    "SoftmaxHead",
    "TextConvHead",
]
