"""What is trainable trains, whenever and however it was changed after `compile`."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.optimizers import LearningRateMultiplier, layerwise_decay
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")
LABELS = np.arange(8) % 3


def fitted(optimizer="adam"):
    model = TransferModel(residual_backbone(), SoftmaxHead(3), UnfreezeLast(1))
    model.compile(optimizer if isinstance(optimizer, str) else optimizer(model))
    fit(model)
    return model


def fit(model, **arguments):
    return model.fit(IMAGES, LABELS, batch_size=4, verbose=0, **arguments)


def moved(model, action):
    """The paths of the variables that an action changes."""
    before = {v.path: v.numpy() for v in model.weights}
    action()
    return {
        v.path
        for v in model.weights
        if v.path not in before or not np.array_equal(before[v.path], v)
    }


class At(keras.callbacks.Callback):
    """Does something before one batch."""

    def __init__(self, batch, action):
        super().__init__()
        self.batch, self.action = batch, action

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            self.action(self.model)


TRAINED = {f"{layer}/{kind}" for layer in ("head_output", "down2", "conv_2")
           for kind in ("kernel", "bias")}  # fmt: skip
LORA = {"conv_2/lora_kernel_a", "conv_2/lora_kernel_b"}


def freeze_kernel(model):
    model.get_layer("head_output").kernel.trainable = False


def train_bias(model):
    model.get_layer("conv1").bias.trainable = True


def add_lora(model):
    model.get_layer("conv_2").enable_lora(2)
    model.get_layer("conv_2").lora_kernel_b.assign_add(
        0.1 * keras.ops.ones_like(model.get_layer("conv_2").lora_kernel_b)
    )


def freeze_all(model):
    model.backbone.trainable = False


CHANGES = [
    (freeze_kernel, TRAINED - {"head_output/kernel"}),
    (train_bias, TRAINED | {"conv1/bias"}),
    (add_lora, TRAINED - {"conv_2/kernel"} | LORA),
    (freeze_all, {"head_output/kernel", "head_output/bias"}),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
@pytest.mark.parametrize(
    "optimizer",
    ["adam", lambda model: LearningRateMultiplier("adamw", layerwise_decay(model, 0.5))],
    ids=["adam", "wrapped"],
)
def test_a_change_of_variables_takes_effect_in_the_next_fit(change, expected, optimizer):
    model = fitted(optimizer=optimizer)
    change(model)
    assert moved(model, lambda: fit(model)) == expected


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_change_of_variables_in_a_callback_takes_effect_in_the_next_step(change, expected):
    model = fitted()
    snapshots = []

    def change_and_note(model):
        change(model)
        snapshots.append({v.path: v.numpy() for v in model.weights})

    fit(model, callbacks=[At(1, change_and_note)])
    after = {v.path for v in model.weights if not np.array_equal(snapshots[0][v.path], v)}
    assert after == expected


def test_a_change_of_variables_takes_effect_in_train_on_batch():
    model = fitted()
    freeze_kernel(model)
    expected = TRAINED - {"head_output/kernel"}
    assert moved(model, lambda: model.train_on_batch(IMAGES, LABELS)) == expected


@pytest.mark.parametrize("function", ["predict", "evaluate", "predict_on_batch"])
def test_lora_takes_effect_in_functions_that_were_traced_before(function):
    model = fitted()

    def numbers(model):
        if function == "evaluate":
            return model.evaluate(IMAGES, LABELS, verbose=0)
        return getattr(model, function)(IMAGES)

    before = numbers(model)
    add_lora(model)
    after = numbers(model)
    assert not np.allclose(before, after, rtol=1e-4)
    fresh = model.copy()
    fresh.compile()
    np.testing.assert_allclose(after, numbers(fresh), rtol=1e-5)


@pytest.mark.parametrize("change", [freeze_kernel, train_bias, add_lora, freeze_all])
def test_a_saved_model_trains_the_same_variables_from_the_same_slots(change, tmp_path):
    model = fitted()
    change(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [v.path for v in loaded.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]
    if change is add_lora:
        return  # Keras saves the update within the kernel, and starts a new one from zero
    histories = [fit(one, epochs=2).history for one in (model, loaded)]
    assert histories[0] == histories[1]


def test_a_model_warns_that_another_one_changed_its_backbone():
    backbone = residual_backbone()
    first = TransferModel(backbone, SoftmaxHead(3), UnfreezeLast(1), name="first")
    first.compile()
    second = TransferModel(backbone, SoftmaxHead(3), name="second")
    second.compile()
    with pytest.warns(UserWarning, match="policy of 'second' changed .* 'first' train") as told:
        fit(first)
    assert "\n" not in str(told[0].message)
    fit(first)  # once is enough
    fit(second)
    first.freeze_policy = UnfreezeLast(1)
    fit(first)
    with pytest.warns(UserWarning, match="policy of 'first' changed .* 'second' train"):
        fit(second)


def test_models_that_agree_or_share_nothing_do_not_warn():
    backbone = residual_backbone()
    several = [TransferModel(backbone, SoftmaxHead(3)) for _ in range(2)]
    several.append(TransferModel(backbone.copy(), SoftmaxHead(3), FreezeNone()))
    second = several[1]
    second.freeze_policy = UnfreezeLast(1)
    second.freeze_policy = FreezeAll()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in several:
            model.compile()
            fit(model)


def batches(size=16):
    """Two batches as a generator gives them; a size of None is one that it does not tell."""
    spec = tf.TensorSpec((None, size, size, 3)), tf.TensorSpec((None,), "int64")
    pairs = [(IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:])]
    dataset = tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=spec)
    return dataset.apply(tf.data.experimental.assert_cardinality(2))


@pytest.mark.parametrize(
    "data",
    [
        {"x": IMAGES, "y": LABELS, "batch_size": 4},
        {"x": IMAGES, "y": LABELS, "batch_size": 4, "class_weight": {0: 2.0, 1: 1.0, 2: 1.0}},
        {"x": batches()},
        {"x": iter([(IMAGES, LABELS)]), "steps_per_epoch": 1},
    ],
    ids=["arrays", "class weights", "dataset", "generator"],
)
def test_keras_traces_the_first_step_once(data, monkeypatch):
    traced, step = [], TransferModel.train_step
    monkeypatch.setattr(
        TransferModel, "train_step", lambda *given: traced.append(1) or step(*given)
    )
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    model.compile()
    model.fit(**data, verbose=0)
    assert len(traced) == 1


def test_images_of_a_size_that_their_dataset_does_not_tell_train():
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    model.compile()
    kernel = "head_output/kernel"
    assert kernel in moved(model, lambda: model.fit(batches(size=None), verbose=0))
