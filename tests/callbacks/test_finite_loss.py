import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import freezing, heads, models, plans, training
from keras_transfer.callbacks import FiniteLoss
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (12, 16, 16, 3)).astype("float32")
LABELS = np.arange(12) % 3


def model():
    return models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))


class Poison(keras.callbacks.Callback):
    """Takes the meaning from a weight of the head before one step of all."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_begin(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            weight = self.model.trainable_variables[-1]
            weight.assign(weight * np.nan)


def test_training_stops_and_the_step_and_the_rate_are_told():
    tuned, callback = model(), FiniteLoss()
    tuned.compile(keras.optimizers.SGD(0.25))
    with pytest.warns(UserWarning, match=r"nan after step 8, in epoch 3, .*rate of 0.25"):
        history = tuned.fit(
            IMAGES, LABELS, batch_size=4, epochs=9, callbacks=[Poison(8), callback], verbose=0
        )
    assert callback.step == 8
    assert len(history.epoch) == 3


def test_finite_loss_is_left_alone():
    tuned, callback = model(), FiniteLoss()
    tuned.compile()
    tuned.fit(IMAGES, LABELS, batch_size=4, epochs=2, callbacks=[callback], verbose=0)
    assert callback.step is None


def test_phase_ends_with_the_best_weights_and_the_next_one_goes_on():
    tuned = model()
    plan = plans.Plan(
        [
            plans.Phase(freezing.FreezeAll(), 3, 1e-2, name="head"),
            plans.Phase(freezing.UnfreezeLast(1), 2, 1e-3, name="last"),
        ]
    )
    poison, dataset = Poison(5), tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4)
    with pytest.warns(UserWarning, match="after step 5, in epoch 2"):
        history = training.fine_tune(
            tuned, dataset, dataset, plan=plan, callbacks=[poison], verbose=0
        )
    assert history.phase == ["head", "head", "last", "last"]
    assert np.isfinite(history.history["loss"][-2:]).all()
    assert all(np.isfinite(weight).all() for weight in tuned.get_weights())


def test_training_without_any_finite_epoch_is_an_error_and_keeps_the_weights():
    tuned = model()
    before = tuned.get_weights()
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 3, 1e-2)])
    with (
        pytest.warns(UserWarning, match="after step 1, in epoch 1"),
        pytest.raises(FloatingPointError, match="in every epoch"),
    ):
        training.fine_tune(tuned, (IMAGES, LABELS), plan=plan, callbacks=[Poison(1)], verbose=0)
    for one, other in zip(tuned.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
