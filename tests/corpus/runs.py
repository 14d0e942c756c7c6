"""Run folders that no training was needed for."""

import keras

from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.runs.folder import RunFolder
from tests.networks import residual_backbone

NAMES = ["blue", "green", "red"]


def small_model(num_classes=3):
    keras.utils.set_random_seed(0)
    return TransferModel(residual_backbone("tf"), SoftmaxHead(num_classes))


def make_run(path, class_names=NAMES, model=None):
    """A run folder with a small network for pictures of 16 x 16 pixels."""
    folder = RunFolder(path)
    path.mkdir(parents=True)
    folder.describe({"class_names": list(class_names), "image_size": [16, 16], "channels": 3})
    (model or small_model(len(class_names))).save(path / "model.keras")
    return path
