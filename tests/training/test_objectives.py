"""Every objective in every way to train."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from keras_transfer import adaptation, data, freezing, heads, models, plans, retention, training
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.training.training_folder import TrainingFolder
from tests.networks import residual_backbone
from tests.pictures import colour_folder

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (12, 16, 16, 3)).astype("float32")
OTHER = RANDOM.uniform(0, 128, (20, 16, 16, 3)).astype("float32")
LABELS = np.arange(12) % 3
SOURCE = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4)
MEMORY = OTHER, np.arange(20) % 3
EVERY = [
    adaptation.OwnStatistics(),
    adaptation.MinimumClassConfusion(),
    adaptation.InformationMaximization(),
    adaptation.PseudoLabels(),
    adaptation.JointDiscrepancy(),
    adaptation.Correlation(),
    adaptation.DomainAdversary(),
    adaptation.DomainAdversary(conditional=False),
    retention.Distillation(),
    retention.Distillation(on="predictions"),
    retention.PullToStart(),
    retention.PullToStart(importance="fisher"),
    retention.Replay(),
]
every_objective = pytest.mark.parametrize("objective", EVERY, ids=repr)
# All in two phases: an objective can be in a phase once.
TOGETHER = [[], []]
for one in EVERY:
    TOGETHER[any(type(one) is type(other) for other in TOGETHER[0])].append(one)


def make(head=None, **arguments):
    keras.utils.set_random_seed(0)
    return models.TransferModel(
        residual_backbone("tf"), head or heads.SoftmaxHead(3), **arguments
    )


def plan_of(*objectives, epochs=2):
    return plans.Plan(
        [plans.Phase(freezing.UnfreezeLast(1), epochs, 1e-2, objectives=objectives)]
    )


def fine_tune(model, *objectives, **arguments):
    reads = any(one.reads_memory for one in objectives)
    given = {"target": OTHER, "memory": MEMORY if reads else None, "verbose": 0}
    return training.fine_tune(
        model, SOURCE, None, plan_of(*objectives), **{**given, **arguments}
    )


@every_objective
def test_every_objective_trains_under_plain_fit(objective):
    model = make(freeze_policy=freezing.UnfreezeLast(1))
    number = len(model.variables)
    model.compile(objectives=[objective])
    memory = tf.data.Dataset.from_tensor_slices((OTHER, np.arange(20) % 3)).batch(4)
    joined = models.joined(SOURCE, target=memory, memory=memory)
    history = model.fit(joined, validation_data=SOURCE, verbose=0).history
    assert set(history) == {
        "accuracy", "loss", "val_accuracy", "val_loss", objective.name
    }  # fmt: skip
    assert np.isfinite(history[objective.name]).all()
    assert len(model.variables) == number  # what it learns is no part of the model


@pytest.mark.parametrize("objectives", TOGETHER, ids=["first", "variants"])
@pytest.mark.parametrize("cache", [None, False], ids=["features", "images"])
@pytest.mark.slow
def test_objectives_train_together_by_a_plan(objectives, cache):
    history = fine_tune(make(), *objectives, cache=cache).history
    assert np.isfinite([history[objective.name] for objective in objectives]).all()
    assert len(history["target_score"]) == 2


@pytest.mark.exhaustive
@every_objective
@pytest.mark.parametrize("cache", [None, False], ids=["features", "images"])
def test_every_objective_trains_by_a_plan(objective, cache):
    history = fine_tune(make(), objective, cache=cache).history
    assert np.isfinite(history[objective.name]).all()


def test_objectives_of_a_phase_join_those_of_compile():
    model = make()
    model.compile(objectives=[retention.PullToStart()])
    history = fine_tune(model, adaptation.MinimumClassConfusion()).history
    assert {"pull_to_start", "minimum_class_confusion"} < set(history)


def test_an_objective_without_an_effect_leaves_the_training_as_it_is():
    found = []
    for objectives in ([], [retention.PullToStart(0.0)]):
        model = make(freeze_policy=freezing.UnfreezeLast(1))
        model.compile(objectives=objectives)
        model.fit(SOURCE, epochs=2, verbose=0)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_own_statistics_give_the_source_those_of_the_target():
    model = make()
    target = tf.data.Dataset.from_tensor_slices(OTHER).batch(4)
    objective = adaptation.OwnStatistics()
    objective.begin(model, models.ObjectiveData(SOURCE, target))
    (found,) = objective.changed("source", model.at_boundary(IMAGES)).values()
    (expected,) = model.at_boundary(OTHER).values()
    np.testing.assert_allclose(np.mean(found, 0), np.mean(expected, 0), rtol=1e-3, atol=1e-3)
    # Nearly: a channel that hardly varies is not blown up.
    np.testing.assert_allclose(np.std(found, 0), np.std(expected, 0), rtol=0.2)


@pytest.fixture
def deterministic():
    """Threads add in the same order."""
    tf.config.experimental.enable_op_determinism()
    yield
    config.disable_op_determinism()


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("cache", [None, False], ids=["features", "images"])
def test_labels_of_the_target_have_no_effect(cache):
    found = []
    for labels in (np.arange(20) % 3, np.arange(20)[::-1] % 3):
        model = make()
        target = tf.data.Dataset.from_tensor_slices((OTHER, labels)).batch(4)
        target = LabeledDataset(target, ["a", "b", "c"])
        fine_tune(model, EVERY[1], cache=cache, target=target.unlabelled)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_unlabelled_data_keep_their_source_and_hold_no_labels(tmp_path):
    splits = data.image_folder(colour_folder(tmp_path), image_size=16, batch_size=6)
    augmented = data.augmentation.light()(splits.train)
    for dataset in (splits.train, augmented):
        found = dataset.unlabelled
        assert isinstance(found.element_spec, tf.TensorSpec)
        assert found.class_names == () and found.num_images == 18
        assert isinstance(found.source.examples(0).element_spec, tf.TensorSpec)
    assert augmented.unlabelled.unaugmented.element_spec == splits.train.unlabelled.element_spec
    mixed = data.Augmentation(mixup=0.2)(splits.train)
    with pytest.raises(ValueError, match="mixes images with their labels"):
        mixed.unlabelled  # noqa: B018


def test_the_kept_epoch_has_the_highest_target_score():
    history = fine_tune(make(), adaptation.InformationMaximization())
    scores = history.history["target_score"]
    assert history.best_epoch == int(np.argmax(scores))


def test_a_trained_model_adapts_without_its_source():
    model = make()
    history = training.fine_tune(
        model, None, None, plan_of(adaptation.PseudoLabels()), target=OTHER, verbose=0
    )
    assert np.isfinite(history.history["pseudo_labels"]).all()
    np.testing.assert_allclose(
        history.history["loss"], history.history["pseudo_labels"], rtol=1e-5
    )


def test_without_source_a_plan_and_a_target_are_needed():
    for given in ({"target": OTHER}, {"plan": plan_of(EVERY[3])}):
        with pytest.raises(ValueError, match="Without `train`, pass `target`"):
            training.fine_tune(make(), None, **given)


def test_plan_with_objectives_survives_json_and_older_plans_are_read():
    plan = plan_of(*EVERY[:3])
    assert plans.Plan.from_json(plan.to_json()) == plan
    values = plan_of().to_json()
    del values["phases"][0]["objectives"]
    assert plans.Plan.from_json(values) == plan_of()
    values["phases"][0]["objectives"] = [{"registered_name": "keras.layers>Dense"}]
    with pytest.raises(ValueError, match="not a registered objective"):
        plans.Plan.from_json(values)


def test_another_target_is_another_training(tmp_path):
    fine_tune(make(), adaptation.MinimumClassConfusion(), directory=tmp_path)
    settings = TrainingFolder(tmp_path).settings()["training"]
    assert "20, in batches of 20" in settings["target images"]
    assert "memory images" not in settings
    with pytest.raises(ValueError, match="target images: 20"):
        fine_tune(
            make(), adaptation.MinimumClassConfusion(), directory=tmp_path,
            target=OTHER[:10],
        )  # fmt: skip


WRONG = {
    "No objective of the plan reads `memory`": {"memory": MEMORY},
    "needs the images of `target`": {"target": None},
    "must be a finite dataset with images. Received: an empty one": {"target": OTHER[:0]},
    "`target` must give batches of images of shape": {"target": OTHER[:, :8]},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_targets_are_named(message):
    with pytest.raises(ValueError, match=message):
        fine_tune(make(), adaptation.MinimumClassConfusion(), **WRONG[message])


def test_wrong_objectives_are_named():
    with pytest.raises(ValueError, match="`objectives` must be a list of objectives"):
        plan_of("mcc")
    with pytest.raises(ValueError, match="can be there once"):
        plan_of(adaptation.MinimumClassConfusion(), adaptation.MinimumClassConfusion(0.5))
    with pytest.raises(ValueError, match="The exact solution of the head has no objectives"):
        plans.Phase(freezing.FreezeAll(), 1, 1e-2, solver="exact", objectives=EVERY[:1])
    with pytest.raises(ValueError, match="needs a model with one `SoftmaxHead`"):
        head = heads.SigmoidHead(3)
        labels = np.eye(3, dtype="float32")[LABELS]
        training.fine_tune(
            make(head), (IMAGES, labels), plan=plan_of(EVERY[1]), target=OTHER, verbose=0
        )


REPLICAS = """
import tensorflow as tf
from tests.distribution.devices import divide_cpu
divide_cpu(2)
import numpy as np
from keras_transfer import heads, models, training
from tests.networks import residual_backbone
from tests.training.test_objectives import MEMORY, OTHER, SOURCE, TOGETHER, plan_of

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for objectives in TOGETHER:
    with strategy.scope():
        model = models.TransferModel(residual_backbone("tf"), heads.SoftmaxHead(3))
    history = training.fine_tune(
        model, SOURCE, SOURCE, plan_of(*objectives, epochs=1), target=OTHER, verbose=0,
        memory=MEMORY if any(one.reads_memory for one in objectives) else None,
    )
    for objective in objectives:
        assert np.isfinite(history.history[objective.name]).all(), objective
print("trained all")
"""


@pytest.mark.slow
def test_every_objective_trains_on_two_replicas():
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, check=False
    )
    assert "trained all" in done.stdout, done.stderr[-2000:]


def test_learned_objectives_do_not_depend_on_the_scale_of_the_loss():
    def learned(optimizer):
        model = make()
        model.compile(optimizer, objectives=[adaptation.DomainAdversary()])
        target = tf.data.Dataset.from_tensor_slices(OTHER).batch(4)
        model.fit(models.joined(SOURCE, target=target), verbose=0)
        return [variable.numpy() for variable in model.running.learned]

    # This one doubles its scale in each step.
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.0), initial_scale=1.0, dynamic_growth_steps=1
    )
    for found, expected in zip(
        learned(scaled), learned(keras.optimizers.SGD(0.0)), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)
