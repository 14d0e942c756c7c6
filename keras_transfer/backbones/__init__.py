"""Pretrained networks, their stages and their boundaries."""

from keras_transfer.backbones.backbone import Backbone, random_twin
from keras_transfer.backbones.graph import split
from keras_transfer.backbones.preprocessing import Preprocessing
from keras_transfer.backbones.registry import list_backbones
from keras_transfer.backbones.stages import Stage

__all__ = ["Backbone", "Preprocessing", "Stage", "list_backbones", "random_twin", "split"]
