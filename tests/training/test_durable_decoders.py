"""A training of masks or boxes that is killed goes on where it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data, features, freezing, heads, models, plans, training
from keras_transfer.backbones import Backbone
from tests.networks import small_application
from tests.training.durable import Killed, Stop, kill

SIZE = 32


def scenes(kind):
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (12, SIZE, SIZE, 3)).astype("float32")
    masks = (images[..., 0] > 127).astype("uint8")
    boxes = np.array([[[0.2, 0.2, 0.6, 0.6, 0], [0, 0, 0, 0, -1]]] * 12, "float32")
    labels = masks if kind == "masks" else boxes
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    return data.Augmentation(flip="horizontal")(dataset), dataset


def train(kind, directory, cache, callbacks=()):
    head = (
        heads.SegmentationHead(2, width=4) if kind == "masks" else heads.CenterHead(2, width=4)
    )
    keras.utils.set_random_seed(0)
    model = models.TransferModel(Backbone.from_model(small_application((SIZE, SIZE, 3))), head)
    model.compile()
    phases = [
        plans.Phase(freezing.FreezeAll(), 2, 1e-3, views=1, augmented=False, name="head"),
        plans.Phase(
            freezing.UnfreezeLast(2), 2, 1e-3, 0.7, views=2, averaged=True, name="last"
        ),
    ]
    train, plain = scenes(kind)
    training.fine_tune(
        model, train, plain, plan=plans.Plan(phases), directory=directory, verbose=0,
        cache=features.FeatureCache(cache), callbacks=callbacks, checkpoint_every=1,
    )  # fmt: skip
    return model.get_weights()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["masks", "boxes"])
def test_a_killed_training_of_a_decoder_ends_with_the_same_weights(kind, tmp_path):
    expected = train(kind, tmp_path / "whole", tmp_path / "cache")
    for batch in (4, 9):  # in each of the two phases of six steps
        directory = tmp_path / f"killed-{batch}"
        with pytest.raises(Killed):
            train(kind, directory, tmp_path / "cache", [Stop(kill, batch)])
        for one, other in zip(
            train(kind, directory, tmp_path / "cache"), expected, strict=True
        ):
            np.testing.assert_array_equal(one, other)
