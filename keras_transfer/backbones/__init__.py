"""Pretrained networks, their stages and their boundaries."""

from keras_transfer.backbones.backbone import Backbone
from keras_transfer.backbones.graph import split
from keras_transfer.backbones.registry import list_backbones

__all__ = [
    "Backbone",
    "list_backbones",
    "split",
]
