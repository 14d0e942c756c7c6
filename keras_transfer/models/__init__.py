"""A backbone, heads and a freeze policy in one model."""

from keras_transfer.models.builder import build
from keras_transfer.models.deltas import load_delta, save_delta
from keras_transfer.models.low_rank import add_lora, merge_lora
from keras_transfer.models.objective import Batch, Objective, ObjectiveData, Rows, joined
from keras_transfer.models.transfer_model import TransferModel

__all__ = [
    "Batch",
    "Objective",
    "ObjectiveData",
    "Rows",
    "TransferModel",
    "add_lora",
    "build",
    "joined",
    "load_delta",
    "merge_lora",
    "save_delta",
]
