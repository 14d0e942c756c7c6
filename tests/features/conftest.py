import dataclasses

import keras
import numpy as np
import pytest

from keras_transfer import data
from keras_transfer.features import TensorFlowEngine
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.networks import residual_backbone
from tests.pictures import colour_folder


@dataclasses.dataclass
class CountingEngine(TensorFlowEngine):
    """Counts the images and raises KeyboardInterrupt after `stop_after` of them."""

    name: str = "counting"
    num_images: int = 0
    stop_after: int | None = None

    def compile(self, stem):
        run = super().compile(stem)

        def counted(batches):
            for features in run(batches):
                self.num_images += len(features)
                if self.stop_after is not None and self.num_images > self.stop_after:
                    raise KeyboardInterrupt
                yield features

        return counted


@pytest.fixture
def engine():
    return CountingEngine()


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return TransferModel(residual_backbone("tf"), SoftmaxHead(3, dropout=0.2))


@pytest.fixture
def splits(tmp_path):
    return data.image_folder(colour_folder(tmp_path / "photos"), image_size=16, batch_size=5)


def contents(directory):
    """The contents of every file below a folder, without locks and time stamps."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "used" and path.suffix != ".lock"
    }


def all_rows(dataset):
    """One epoch of a dataset of pairs, as two arrays."""
    features, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(features), np.concatenate(labels)
