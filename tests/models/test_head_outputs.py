import keras
import numpy as np

from keras_transfer.heads import DenseHead, SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits
from tests.explanations.networks_to_explain import IMAGES, KERNEL, pixel_model
from tests.networks import residual_backbone

SMALL = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 3)).astype("float32")


def test_logits_are_what_the_softmax_is_taken_of():
    model = pixel_model()
    expected = IMAGES.mean(axis=(1, 2)) @ KERNEL + [0.5, -0.5]
    np.testing.assert_allclose(logits(model, IMAGES), expected, rtol=1e-5)
    np.testing.assert_allclose(
        keras.ops.softmax(logits(model, IMAGES)), model.predict(IMAGES, verbose=0), rtol=1e-4
    )


def test_linear_outputs_are_their_own_logits():
    model = TransferModel(residual_backbone(), DenseHead(2, hidden_units=(3,)))
    np.testing.assert_allclose(
        logits(model, SMALL, batch_size=2), model.predict(SMALL, verbose=0), rtol=1e-4
    )


def test_positions_of_a_head_are_averaged():
    model = TransferModel(residual_backbone(), DenseHead(2, pooling="none"))
    expected = model.predict(SMALL, verbose=0).mean(axis=(1, 2))
    np.testing.assert_allclose(logits(model, SMALL), expected, rtol=1e-4, atol=1e-3)


def test_one_head_of_several_is_computed():
    model = TransferModel(residual_backbone(), {"a": SoftmaxHead(3), "b": DenseHead(2)})
    np.testing.assert_allclose(
        logits(model, SMALL, head="b"), model.predict(SMALL, verbose=0)["b"], rtol=1e-4
    )
