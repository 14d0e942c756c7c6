"""The average of the weights that a phase validates and keeps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import freezing, heads, models, plans, training
from keras_transfer.training.weight_average import WeightAverage
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(24, 3)).astype("float32")
TARGETS = RANDOM.normal(size=(24, 2)).astype("float32")
GAMMA = 6.94


class Recorder(keras.callbacks.Callback):
    """The kernel after each step, at each validation, and at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.steps, self.tested, self.ends = [], [], []

    def _kernel(self):
        return keras.ops.convert_to_numpy(self.model.trainable_variables[0]).copy()

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self._kernel())

    def on_test_begin(self, logs=None):
        self.tested.append(self._kernel())

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(self._kernel())


def dense_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def averages(steps):
    """The average after each step, by equation 5 of Karras et al."""
    found, average = [], steps[0]
    for number, weights in enumerate(steps, start=1):
        kept = (1 - 1 / number) ** (GAMMA + 1)
        average = kept * average + (1 - kept) * weights
        found.append(average)
    return found


def test_validation_and_the_end_of_an_epoch_see_the_average():
    model, recorder = dense_model(), Recorder()
    model.fit(
        ROWS, TARGETS, batch_size=8, epochs=3, shuffle=False, verbose=0,
        validation_data=(ROWS, TARGETS), callbacks=[WeightAverage(), recorder],
    )  # fmt: skip
    expected = averages(recorder.steps)[2::3]
    np.testing.assert_allclose(recorder.tested, expected, rtol=1e-5)
    np.testing.assert_allclose(recorder.ends, expected, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], expected[-1], rtol=1e-5)


def test_the_training_itself_does_not_change():
    plain, averaged = Recorder(), Recorder()
    for callbacks in ([plain], [WeightAverage(), averaged]):
        dense_model().fit(
            ROWS, TARGETS, batch_size=8, epochs=3, shuffle=False, verbose=0, callbacks=callbacks
        )
    np.testing.assert_array_equal(plain.steps, averaged.steps)


def test_several_steps_in_one_call_count_as_many():
    kept = []
    for at_once in (1, 3):
        model = dense_model()
        # The weights do not move: only the share of the start would differ.
        model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=at_once)
        average = WeightAverage()
        model.fit(
            ROWS, TARGETS, batch_size=4, epochs=1, verbose=0, shuffle=False, callbacks=[average]
        )
        kept.append(average.get_state()["counted"])
    assert kept == [6, 6]


def test_a_phase_keeps_the_average():
    images = RANDOM.uniform(0, 255, (24, 16, 16, 3)).astype("float32")
    labels = np.arange(24) % 2
    found = {}
    for averaged in (False, True):
        keras.utils.set_random_seed(0)
        model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(2))
        phase = plans.Phase(freezing.FreezeNone(), 2, 1e-2, averaged=averaged)
        history = training.fine_tune(
            model, tf.data.Dataset.from_tensor_slices((images, labels)).batch(4),
            (images, labels), plans.Plan([phase]), verbose=0, cache=False,
        )  # fmt: skip
        measured = model.evaluate(images, labels, verbose=0, return_dict=True)
        best = history.best_epoch
        assert measured["loss"] == pytest.approx(history.history["val_loss"][best], rel=1e-4)
        found[averaged] = history.history
    assert found[True]["loss"] == pytest.approx(found[False]["loss"], rel=1e-5)
    assert found[True]["val_loss"] != found[False]["val_loss"]


def test_averaged_must_be_a_bool():
    with pytest.raises(ValueError, match="averaged=1"):
        plans.Phase(freezing.FreezeAll(), 1, 1e-3, averaged=1)
