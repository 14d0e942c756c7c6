import csv
import dataclasses
import json
import math
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data, optimizers
from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan, choose_plan
from keras_transfer.training import fine_tune
from tests.networks import residual_backbone, residual_network
from tests.pictures import colour_folder

IMAGES = np.random.default_rng(0).uniform(0, 255, (12, 16, 16, 3)).astype("float32")
LABELS = np.arange(12) % 3
PLAN = Plan(
    [
        Phase(FreezeAll(), 2, 1e-2, name="head"),
        Phase(UnfreezeLast(1), 2, 1e-3, layerwise_decay=0.5, name="fine-tuning"),
    ],
    ["The head first."],
)
COLOUR_PLAN = Plan([Phase(FreezeAll(), 8, 0.05), Phase(UnfreezeLast(1), 2, 1e-3)])


def model():
    return TransferModel(residual_backbone(), SoftmaxHead(3))


def dataset():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4)


class Record(keras.callbacks.Callback):
    """Notes the policy, the learning rate and the kind of optimizer of each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        self.epochs.append((epoch, self.model.freeze_policy, type(optimizer), []))

    def on_train_batch_begin(self, batch, logs=None):
        self.epochs[-1][-1].append(float(self.model.optimizer.learning_rate))


def test_phases_run_in_order_with_one_history():
    record = Record()
    history = fine_tune(model(), dataset(), dataset(), plan=PLAN, callbacks=[record], verbose=0)
    assert history.epoch == [0, 1, 2, 3]
    assert history.phase == ["head", "head", "fine-tuning", "fine-tuning"]
    assert history.plan == PLAN
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} == set(history.history)
    assert all(len(values) == 4 for values in history.history.values())
    assert [(epoch, policy) for epoch, policy, _, _ in record.epochs] == [
        (0, FreezeAll()), (1, FreezeAll()), (2, UnfreezeLast(1)), (3, UnfreezeLast(1))
    ]  # fmt: skip
    assert record.epochs[2][2] is optimizers.LearningRateMultiplier


def test_learning_rate_warms_up_and_falls_along_a_cosine():
    record = Record()
    plan = Plan([Phase(FreezeAll(), 4, 0.1, warmup=0.25)])
    fine_tune(model(), dataset(), plan=plan, callbacks=[record], verbose=0)
    rates = [rate for *_, rates in record.epochs for rate in rates]
    # 12 steps: 3 of warm-up to 0.1, then half a cosine over 9.
    expected = [0.1 * step / 3 for step in range(3)]
    expected += [0.1 * (1 + math.cos(math.pi * step / 9)) / 2 for step in range(9)]
    np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-7)


def test_best_weights_of_all_phases_are_kept():
    tuned = model()
    history = fine_tune(tuned, dataset(), dataset(), plan=PLAN, verbose=0)
    logs = tuned.evaluate(dataset(), verbose=0, return_dict=True)
    accuracies = np.array(history.history["val_accuracy"])
    error = np.sqrt(accuracies.max() * (1 - accuracies.max()) / len(IMAGES))
    assert history.best_epoch == np.flatnonzero(accuracies >= accuracies.max() - error)[-1]
    assert logs["accuracy"] == pytest.approx(accuracies[history.best_epoch])
    loss = history.history["val_loss"][history.best_epoch]
    assert logs["loss"] == pytest.approx(loss, rel=1e-5)


def test_own_loss_and_metrics_are_kept():
    tuned = model()
    tuned.compile(
        loss="sparse_categorical_crossentropy", metrics=["sparse_top_k_categorical_accuracy"]
    )
    history = fine_tune(tuned, dataset(), plan=PLAN, verbose=0)
    assert set(history.history) == {"loss", "sparse_top_k_categorical_accuracy"}


def test_tuned_model_is_tuned_again():
    tuned = model()
    for _ in range(2):
        history = fine_tune(tuned, dataset(), plan=PLAN, verbose=0)
    assert len(history.epoch) == 4


def test_arrays_are_taken_too():
    history = fine_tune(model(), (IMAGES, LABELS), (IMAGES, LABELS), plan=PLAN, verbose=0)
    assert len(history.history["val_loss"]) == 4


def test_dataset_of_unknown_size_is_counted():
    unknown = dataset().filter(lambda images, labels: True)
    assert int(unknown.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    record = Record()
    fine_tune(model(), unknown, plan=PLAN, callbacks=[record], verbose=0)
    assert len(record.epochs[0][-1]) == 3


def test_colours_are_learned_from_a_folder(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path), image_size=16, batch_size=6)
    tuned = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
    train = data.augmentation.light()(splits.train)
    fine_tune(tuned, train, splits.validation, plan=COLOUR_PLAN, verbose=0)
    assert tuned.evaluate(splits.test, verbose=0, return_dict=True)["accuracy"] == 1.0


def test_plan_is_described_before_it_starts(capsys):
    short = choose_plan(num_images=12, num_classes=3)
    head = dataclasses.replace(short.phases[0], epochs=1)
    fine_tune(model(), dataset(), plan=Plan([head], short.reasons), verbose=2)
    printed = capsys.readouterr().out
    assert "12 examples, 3 steps per epoch" in printed
    # The head: 8 features times 3 classes, and 3 biases.
    assert "head: FreezeAll(batch_norm='frozen'), 1 epoch at 0.001, 27 parameters" in printed
    assert "- With 4 examples per class" in printed


def test_plan_is_read_from_a_file(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN.to_json()))
    for given in (path, str(path)):
        assert fine_tune(model(), dataset(), plan=given, verbose=0).plan == PLAN


def test_default_plan_is_taken_where_none_is_given(monkeypatch):
    asked = []

    def plan(*arguments):
        asked.append(arguments)
        return PLAN

    module = sys.modules["keras_transfer.training.fine_tuning"]  # the package has the function
    monkeypatch.setattr(module, "choose_plan", plan)
    assert fine_tune(model(), dataset(), verbose=0).plan == PLAN.with_exact_head()
    # Images, classes, stages, images in a step; without a budget nothing is measured. The
    # head is no decoder.
    assert asked == [(12, 3, 3, 4, None, None, None, False)]


def test_mixed_labels_train_and_plain_ones_validate(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path), image_size=16, batch_size=6)
    mixed = data.Augmentation(mixup=0.5)(splits.train)
    tuned = TransferModel(residual_backbone(), SoftmaxHead(3))
    history = fine_tune(tuned, mixed, splits.validation, plan=PLAN, verbose=0)
    accuracy = tuned.evaluate(splits.validation, verbose=0, return_dict=True)["accuracy"]
    assert history.history["val_accuracy"][history.best_epoch] == pytest.approx(accuracy)


def test_directory_holds_the_plan_the_history_and_the_best_model(tmp_path):
    tuned = model()
    history = fine_tune(
        tuned, dataset(), dataset(), plan=PLAN, directory=tmp_path / "run", verbose=0
    )
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints", "history.csv", "model.keras", "plan.json"
    ]  # fmt: skip
    assert Plan.from_json(json.loads((tmp_path / "run/plan.json").read_text())) == PLAN
    with open(tmp_path / "run/history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows] == history.phase
    assert [float(row["val_loss"]) for row in rows] == history.history["val_loss"]
    saved = keras.saving.load_model(tmp_path / "run/model.keras")
    np.testing.assert_array_equal(saved(IMAGES), tuned(IMAGES))


class StopInSecondPhase(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_interrupted_run_leaves_the_model_of_the_finished_phases(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fine_tune(
            model(), dataset(), plan=PLAN, directory=tmp_path, verbose=0,
            callbacks=[StopInSecondPhase()],
        )  # fmt: skip
    assert keras.saving.load_model(tmp_path / "model.keras").freeze_policy == FreezeAll()
    assert not list(tmp_path.glob(".writing-*"))


def plain_model():
    network = residual_network()
    network.compile("adam", "mse")
    return network


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": plain_model}, "must be a `TransferModel`"),
        ({"train": lambda: dataset().repeat()}, "must be finite"),
        ({"train": lambda: dataset().take(0)}, "holds no batch"),
        ({"train": lambda: IMAGES}, "a pair \\(images, labels\\)"),
        ({"plan": lambda: [PLAN]}, "`plan` must be a `Plan`"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    arguments = {"model": model, "train": dataset, "plan": lambda: PLAN, **arguments}
    with pytest.raises(ValueError, match=message):
        fine_tune(**{name: make() for name, make in arguments.items()}, verbose=0)


def test_file_in_place_of_the_directory_is_told(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        fine_tune(model(), dataset(), plan=PLAN, directory=tmp_path / "run", verbose=0)


@pytest.mark.parametrize(
    "callback",
    [keras.callbacks.ReduceLROnPlateau(), keras.callbacks.LearningRateScheduler(lambda _: 0.1)],
    ids=lambda callback: type(callback).__name__,
)
def test_callback_that_sets_the_rate_is_refused_before_training(callback):
    model = TransferModel(residual_backbone(), SoftmaxHead(2))
    images, labels = np.zeros((4, 16, 16, 3), "float32"), np.zeros(4, int)
    with pytest.raises(ValueError, match="The plan sets the learning rate"):
        fine_tune(model, (images, labels), callbacks=[callback], cache=False)


@pytest.mark.parametrize(
    ("images", "warns"),
    [(IMAGES, False), (IMAGES / 255, True), (IMAGES / 127.5 - 1, True), (0 * IMAGES, False)],
    ids=["raw", "in [0, 1]", "in [-1, 1]", "black"],
)
@pytest.mark.parametrize("preprocessing", ["tf", "none"])
def test_preprocessed_images_warn_where_the_backbone_preprocesses(images, warns, preprocessing):
    model = TransferModel(residual_backbone(preprocessing), SoftmaxHead(3))
    plan = Plan([Phase(FreezeAll(), 1, 1e-2)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fine_tune(model, (images, LABELS), plan=plan, cache=False, verbose=0)
    found = [one for one in caught if "takes images in [0, 255]" in str(one.message)]
    assert bool(found) == (warns and preprocessing == "tf")


def test_dataset_of_single_images_is_an_error():
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    with pytest.raises(ValueError, match=r"call `train.batch\(32\)`"):
        fine_tune(model, dataset, plan=PLAN, cache=False, verbose=0)
