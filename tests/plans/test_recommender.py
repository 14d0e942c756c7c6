import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import (
    Likeness,
    Phase,
    Plan,
    measure_likeness,
    recommend,
    recommender,
    statistics_distance,
)
from keras_transfer.plans.recommendation import STRATEGIES
from keras_transfer.plans.recommender import choose_strategy, phases_of
from keras_transfer.training import fine_tune
from keras_transfer.transferability import check_negative_transfer, transfer_check
from keras_transfer.transferability.negative_transfer import NegativeTransfer
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)
LABELS = np.arange(60) % 3
IMAGES = (RANDOM.uniform(0, 90, (60, 16, 16, 3)) + 60 * LABELS[:, None, None, None]).astype(
    "float32"
)


def dataset(*labels):
    return tf.data.Dataset.from_tensor_slices((IMAGES, *labels)).batch(16)


ALIKE = Likeness(
    num_images=3000, num_classes=10, chance=0.1, accuracy=0.9, interval=(0.89, 0.91),
    random_accuracy=0.5, gain=(0.38, 0.42), distance=0.3, separability=0.7,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("train the last stages", 2)),
        # (0.6 - 0.1) / 0.9 = 0.56, alike; (0.5 - 0.1) / 0.9 = 0.44, unlike.
        ({"accuracy": 0.6}, ("train the last stages", 2)),
        ({"accuracy": 0.5}, ("train everything", 5)),
        ({"interval": (0.991, 0.999)}, ("use as is", 0)),
        ({"num_images": 150}, ("train the head", 0)),
        # 15 steps an epoch, 12 epochs: very few.
        ({"num_images": 480}, ("train the last stages", 1)),
        ({"gain": (-0.2, -0.1)}, ("train the last stages", 2)),
        ({"gain": (-0.2, -0.1), "num_images": 10_000}, ("train from scratch", 5)),
    ],
)
def test_strategy_follows_from_how_much_and_how_alike(changed, expected):
    assert choose_strategy(dataclasses.replace(ALIKE, **changed), num_stages=5) == expected


def test_backbone_of_two_stages_is_trained_as_a_whole():
    assert choose_strategy(ALIKE, num_stages=2) == ("train everything", 2)


@pytest.mark.parametrize(
    ("strategy", "stages", "policies"),
    [
        ("use as is", 0, [FreezeAll()]),
        ("train the head", 0, [FreezeAll()]),
        ("train the last stages", 2, [FreezeAll(), UnfreezeLast(2)]),
        ("train everything", 5, [FreezeAll(), FreezeNone()]),
        ("train from scratch", 5, [FreezeNone(batch_norm="trainable")]),
    ],
)
def test_each_strategy_has_its_phases(strategy, stages, policies):
    assert strategy in STRATEGIES
    phases = phases_of(strategy, stages, 5, 3000)
    assert [phase.freeze_policy for phase in phases] == policies


def test_recommendation_tells_its_reasons_with_the_numbers(tmp_path):
    backbone = residual_backbone()
    found = recommend(dataset(LABELS), backbone, FeatureCache(tmp_path))
    likeness = found.likeness
    assert likeness == measure_likeness(dataset(LABELS), backbone, FeatureCache(tmp_path))
    assert f"{likeness.accuracy:.1%}" in " ".join(found.reasons)
    assert f"{likeness.random_accuracy:.1%}" in " ".join(found.reasons)
    assert found.strategy in STRATEGIES
    content = json.loads(json.dumps(found.to_json()))
    assert Plan.from_json(content["plan"]) == found.plan
    heads, *rows = found.rows()
    assert all(len(row) == len(heads) for row in rows)


@pytest.mark.parametrize(
    ("gain", "told"),
    [((-0.2, -0.1), ["likely to hurt"]), ((-0.1, 0.1), ["may not help"]), ((0.1, 0.2), [])],
)
def test_likely_harm_is_warned_of(monkeypatch, gain, told):
    module = recommender
    likeness = dataclasses.replace(ALIKE, gain=gain)
    monkeypatch.setattr(module, "measure_likeness", lambda *arguments: likeness)
    warnings = recommend(dataset(LABELS), residual_backbone()).warnings
    assert len(warnings) == len(told)
    assert all(words in warning for words, warning in zip(told, warnings, strict=True))


def test_pictures_without_labels_are_told(tmp_path):
    with pytest.raises(ValueError, match="without labels"):
        recommend(dataset(), residual_backbone(), FeatureCache(tmp_path))


def batch_norm_backbone(mean, variance):
    inputs = keras.Input((16, 16, 3))
    norm = keras.layers.BatchNormalization(epsilon=0.0, name="norm")
    network = keras.Model(inputs, keras.layers.Conv2D(2, 3)(norm(inputs)))
    norm.set_weights([np.ones(3), np.zeros(3), np.full(3, mean), np.full(3, variance)])
    return Backbone.from_model(network)


def test_distance_of_statistics_is_the_divergence_of_gaussians():
    mean, variance = IMAGES.mean(axis=(0, 1, 2)), IMAGES.var(axis=(0, 1, 2))
    same = batch_norm_backbone(mean[0], variance[0])
    assert statistics_distance(same, dataset()) == pytest.approx(0, abs=0.01)
    # Twice the variance at the source: (0.5 - 1 - ln 0.5) / 2 = 0.0966.
    wider = batch_norm_backbone(mean[0], 2 * variance[0])
    assert statistics_distance(wider, dataset()) == pytest.approx(0.0966, abs=0.01)
    # A mean that is one standard deviation away: 1 / 2.
    moved = batch_norm_backbone(mean[0] + np.sqrt(variance[0]), variance[0])
    assert statistics_distance(moved, dataset()) == pytest.approx(0.5, abs=0.03)


def test_distance_needs_batch_normalization():
    inputs = keras.Input((16, 16, 3))
    plain = keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs))
    assert statistics_distance(Backbone.from_model(plain), dataset()) is None


def test_fine_tune_takes_what_is_recommended(tmp_path):
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    cache = FeatureCache(tmp_path / "cache")
    expected = recommend(dataset(LABELS), model.backbone, cache, batch_size=16).plan
    history = fine_tune(model, dataset(LABELS), plan="auto", cache=cache, verbose=0)
    assert history.plan == expected


@pytest.mark.parametrize("arguments", [{"plan": "best"}, {"plan": "auto", "time_budget": 5.0}])
def test_wrong_plans_are_told(arguments):
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    with pytest.raises(ValueError, match=r"Received: plan='(best|auto)'"):
        fine_tune(model, dataset(LABELS), verbose=0, **arguments)


def test_training_from_scratch_forgets_the_weights():
    backbone = residual_backbone()
    kernel = backbone.get_layer("conv_1").kernel
    before = kernel.numpy()
    plan = Plan([Phase(FreezeAll(), 1, 1e-3)], from_scratch=True)
    fine_tune(
        TransferModel(backbone, SoftmaxHead(3)), dataset(LABELS), plan=plan, verbose=0,
        cache=False,
    )  # fmt: skip
    assert not np.allclose(kernel.numpy(), before)


def test_plan_without_a_cache_has_no_exact_solution():
    plan = Plan(phases_of("use as is", 0, 5, 3000)).without_exact_solution()
    assert [(phase.solver, phase.epochs) for phase in plan.phases] == [("adamw", 10)]


def test_training_from_scratch_ends_with_statistics_of_the_pictures():
    # With a momentum of 0.99, as here, 20 steps would come 18% of the way from 1 to the true
    # variance, which is thousands; with 0.999 it would be 2%.
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    plan = Plan([Phase(FreezeNone(batch_norm="trainable"), 5, 1e-5)], from_scratch=True)
    fine_tune(model, dataset(LABELS), plan=plan, cache=False, verbose=0)
    normalised = model.backbone.get_layer("bn1")
    inputs = keras.Model(model.backbone.input, normalised.input).predict(IMAGES, verbose=0)
    np.testing.assert_allclose(
        normalised.moving_variance.numpy(), inputs.var(axis=(0, 1, 2)), rtol=0.3
    )


SHORT = Plan([Phase(FreezeAll(), 3, 1e-2)])


def test_negative_transfer_is_settled_on_the_same_folds(tmp_path):
    backbone = residual_backbone()
    before = backbone.get_weights()
    found = check_negative_transfer(
        dataset(LABELS), backbone, SHORT, num_images=48, cache=FeatureCache(tmp_path)
    )
    assert found.num_images == 48
    assert len(found.pretrained) == len(found.random) == 2
    gain = np.mean(found.pretrained) - np.mean(found.random)
    assert found.difference[0] <= gain <= found.difference[1]
    assert found.to_json()["verdict"] == found.verdict
    for weights, expected in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_random_network_of_a_check_has_statistics_that_follow_the_pictures(monkeypatch):
    module = transfer_check
    plans = []

    def recorded(model, *arguments, plan, **more):
        plans.append(plan)

    monkeypatch.setattr(module, "fine_tune", recorded)
    check_negative_transfer(dataset(LABELS), residual_backbone(), num_images=48)
    found = [(plan.from_scratch, plan.phases[-1].freeze_policy.batch_norm) for plan in plans]
    assert found == 2 * [(False, "frozen")] + 2 * [(True, "trainable")]
    heads = {plan.phases[0].epochs for plan in plans}
    assert len(heads) == 1


@pytest.mark.parametrize("plan", ["auto", [Phase(FreezeAll(), 1, 1e-3)]])
def test_a_check_takes_a_plan(plan):
    with pytest.raises(ValueError, match="must be a `Plan` or None"):
        check_negative_transfer(dataset(LABELS), residual_backbone(), plan)


@pytest.mark.parametrize("num_folds", [1, 30])
def test_number_of_folds_is_checked(num_folds):
    with pytest.raises(ValueError, match=rf"Received: num_folds={num_folds}"):
        check_negative_transfer(dataset(LABELS), residual_backbone(), num_folds=num_folds)


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [((0.01, 0.1), "helps"), ((-0.1, -0.01), "hurts"), ((-0.1, 0.1), "not settled")],
)
def test_verdict_follows_from_the_interval(difference, verdict):
    found = NegativeTransfer((0.5, 0.7), (0.4, 0.4), difference, 100, 1.0)
    assert found.verdict == verdict
    assert "60.0% from pretrained weights, 40.0% from random ones" in found.conclusion


@pytest.mark.parametrize("labels", [LABELS[:, np.newaxis], np.eye(3)[LABELS]])
def test_labels_of_any_form_are_numbers_of_classes(tmp_path, labels):
    found = check_negative_transfer(
        dataset(labels), residual_backbone(), SHORT, num_images=30, cache=FeatureCache(tmp_path)
    )
    assert found.num_images == 30


def test_exact_head_is_left_out_where_it_cannot_be_solved(tmp_path, monkeypatch):
    module = recommender
    perfect = dataclasses.replace(ALIKE, interval=(0.995, 1.0))
    monkeypatch.setattr(module, "measure_likeness", lambda *arguments: perfect)
    for labels, solver in ((LABELS, "lbfgs"), (np.eye(3)[LABELS], "adamw")):
        model = TransferModel(residual_backbone(), SoftmaxHead(3))
        cache = FeatureCache(tmp_path)
        history = fine_tune(model, dataset(labels), plan="auto", cache=cache, verbose=0)
        assert [phase.solver for phase in history.plan.phases] == [solver]


def test_few_stages_are_a_reason_of_their_own(monkeypatch):
    module = recommender
    monkeypatch.setattr(module, "measure_likeness", lambda *arguments: ALIKE)
    stages = residual_backbone().stages
    monkeypatch.setattr(module, "choose_strategy", lambda *_: ("train everything", len(stages)))
    reasons = recommend(dataset(LABELS), residual_backbone()).reasons
    assert "so few stages" in reasons[-1]
