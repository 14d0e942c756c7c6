import keras
import numpy as np
import pytest

from keras_transfer.callbacks import GradualUnfreezing
from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.networks import residual_backbone, residual_network

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")
LABELS = np.arange(8) % 3
SCHEDULE = {1: UnfreezeLast(1), 3: FreezeNone()}


class Record(keras.callbacks.Callback):
    """Notes at the end of each epoch which layers changed, and the state of the optimizer."""

    def on_train_begin(self, logs=None):
        self.changed, self.iterations, self.momenta = [], [], []
        self.weights = self._now()

    def on_epoch_end(self, epoch, logs=None):
        now = self._now()
        changed = {p.split("/")[0] for p in now if not np.array_equal(now[p], self.weights[p])}
        self.changed.append(changed)
        self.weights = now
        self.iterations.append(int(self.model.optimizer.iterations.numpy()))
        self.momenta.append(len(self.model.optimizer._momentums))

    def _now(self):
        return {weight.path: weight.numpy() for weight in self.model.weights}


def compiled():
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    model.compile(keras.optimizers.Adam(1e-3))
    return model


def fit(model, callbacks, epochs=4, **arguments):
    return model.fit(
        IMAGES, LABELS, batch_size=4, epochs=epochs, callbacks=callbacks, verbose=0, **arguments
    )


def test_unfreezes_inside_one_fit_and_the_optimizer_goes_on():
    record = Record()
    history = fit(compiled(), [GradualUnfreezing(SCHEDULE), record])
    last_stage = {"head_output", "down2", "conv_2"}
    everything = last_stage | {"conv1", "down1", "conv_1"}
    assert record.changed == [{"head_output"}, last_stage, last_stage, everything]
    assert record.iterations == [2, 4, 6, 8]
    # A kernel and a bias each: the head; and two convolutions; and three more.
    assert record.momenta == [2, 6, 6, 12]
    assert history.epoch == [0, 1, 2, 3]


def test_resumed_run_starts_with_the_policy_that_is_due():
    model, record = compiled(), Record()
    fit(model, [GradualUnfreezing(SCHEDULE), record], initial_epoch=2)
    assert record.changed[0] == {"head_output", "down2", "conv_2"}
    assert model.freeze_policy == FreezeNone()


def test_policy_that_holds_already_changes_nothing():
    model = compiled()
    optimizer = model.optimizer
    fit(model, [GradualUnfreezing({0: FreezeAll()})], epochs=1)
    assert model.optimizer is optimizer


def test_epochs_that_never_come_are_warned_of():
    with pytest.warns(UserWarning, match=r"\[3\] are never applied"):
        fit(compiled(), [GradualUnfreezing(SCHEDULE)], epochs=2)


@pytest.mark.parametrize("schedule", [{}, [UnfreezeLast(1)], {-1: UnfreezeLast(1)}, {1: "all"}])
def test_wrong_schedules_are_told(schedule):
    with pytest.raises(ValueError, match="Received"):
        GradualUnfreezing(schedule)


def test_plain_keras_model_is_told():
    model = keras.Sequential([residual_network(), keras.layers.GlobalAveragePooling2D()])
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="needs a `TransferModel`"):
        fit(model, [GradualUnfreezing({0: UnfreezeLast(1)})])
