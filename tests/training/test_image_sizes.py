import keras
import numpy as np
import pytest

from keras_transfer.backbones import Backbone, Source
from keras_transfer.freezing import FreezeAll
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tune
from keras_transfer.training.image_sizes import size_cautions


@pytest.mark.parametrize(
    ("trained", "pretrained", "used", "said"),
    [
        (224, 224, None, []),
        (96, 224, None, []),
        (64, 224, None, ["about 20 points"]),
        (64, None, 64, []),
        (160, 224, 96, ["about 8 points"]),
        (160, 224, 64, ["about 17 points"]),
        (64, 300, 32, ["about 20 points", "about 17 points"]),
        (160, 224, 224, []),  # larger images cost little
    ],
)
def test_smaller_images_cost_what_was_measured(trained, pretrained, used, said):
    found = size_cautions(trained, pretrained, used)
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))


def test_training_and_validation_of_other_sizes_are_noticed():
    images = keras.Input((None, None, 3))
    network = keras.Model(images, keras.layers.Conv2D(4, 3)(images))
    backbone = Backbone.from_model(network, source=Source(size=(64, 64), origin="a zoo"))
    model = TransferModel(backbone, SoftmaxHead(2))
    train, validation = (
        (np.zeros((4, size, size, 3), "float32"), np.arange(4) % 2) for size in (16, 8)
    )
    plan = Plan([Phase(FreezeAll(), 1, 1e-3)])
    with pytest.warns(UserWarning) as told:
        fine_tune(model, train, validation, plan, cache=False, verbose=0)
    texts = [str(one.message) for one in told]
    assert any("16 pixels and those of the pretraining had 64" in text for text in texts)
    assert any("trained on images of 16 pixels and validated on 8" in text for text in texts)
