"""What a backbone learns from images without labels, before the task."""

from keras_transfer.pretraining.objectives import SimCLR, VICReg
from keras_transfer.pretraining.pairs_training import (
    CollapseError,
    SelfSupervision,
    self_supervised,
)

__all__ = ["CollapseError", "SelfSupervision", "SimCLR", "VICReg", "self_supervised"]
