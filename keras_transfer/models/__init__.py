"""A backbone, heads and a freeze policy in one model."""

from keras_transfer.models.builder import build
from keras_transfer.models.transfer_model import TransferModel

__all__ = ["TransferModel", "build"]
