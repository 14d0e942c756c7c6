import json

import pytest

from keras_transfer.freezing import FreezeAll, FreezeNone, FreezePatterns, UnfreezeLast
from keras_transfer.plans import Phase, Plan, default_plan

PHASES = [
    Phase(FreezeAll(), 3, 1e-3, name="head"),
    Phase(FreezePatterns([("conv.*", "trainable"), ".*"]), 2, 1e-4, layerwise_decay=0.5),
]


def test_plan_survives_json():
    plan = Plan(PHASES, ["because"])
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.epochs == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"freeze_policy": "all"}, "must be a freeze policy"),
        ({"epochs": 0}, "positive integer"),
        ({"epochs": 1.5}, "positive integer"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be positive"),
        ({"warmup": 1.0}, "`warmup`"),
        ({"weight_decay": -0.1}, "`weight_decay`"),
    ],
)
def test_wrong_phases_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        Phase(**{"freeze_policy": FreezeAll(), "epochs": 1, "learning_rate": 0.1, **arguments})


@pytest.mark.parametrize("phases", [[], ["head"]])
def test_wrong_plans_are_told(phases):
    with pytest.raises(ValueError, match="`phases`"):
        Plan(phases)


def test_few_pictures_train_the_head_alone():
    plan = default_plan(num_images=100, num_classes=10)
    assert [phase.freeze_policy for phase in plan.phases] == [FreezeAll()]
    assert "10 a class" in plan.reasons[-1]


def test_many_pictures_train_the_last_stages_after_the_head():
    plan = default_plan(num_images=3000, num_classes=10)
    assert plan.phases[0].freeze_policy == FreezeAll()
    assert isinstance(plan.phases[1].freeze_policy, UnfreezeLast)
    assert plan.phases[1].layerwise_decay < 1
    assert any("300 a class" in reason for reason in plan.reasons)


def test_network_of_two_stages_is_trained_whole():
    plan = default_plan(num_images=3000, num_classes=10, num_stages=2)
    assert plan.phases[1].freeze_policy == FreezeNone()


@pytest.mark.parametrize("num_images", [1, 50, 300, 5_000, 100_000])
@pytest.mark.parametrize("num_stages", [1, 2, 3, 5])
def test_every_plan_fits_its_network_and_gives_reasons(num_images, num_stages):
    plan = default_plan(num_images, 2, num_stages)
    for phase in plan.phases:
        assert getattr(phase.freeze_policy, "num_stages", 0) < max(num_stages, 2)
    assert len(plan.reasons) >= len(plan.phases)


@pytest.mark.parametrize("arguments", [(0, 2), (10, 0)])
def test_empty_data_are_told(arguments):
    with pytest.raises(ValueError, match="at least 1"):
        default_plan(*arguments)


def test_head_sees_the_pictures_as_they_are():
    head, tuning = default_plan(3000, 10).phases
    assert not head.augmented and tuning.augmented


def test_very_few_steps_train_the_last_stage_alone():
    plans = [default_plan(number, 2) for number in (244, 900)]
    assert [plan.phases[-1].freeze_policy for plan in plans] == [
        UnfreezeLast(1),
        UnfreezeLast(2),
    ]
    assert "the last stage can be fitted" in plans[0].reasons[1]


def test_few_steps_are_made_at_a_smaller_rate():
    rates = [default_plan(number, 2).phases[-1].learning_rate for number in (200, 1000, 3000)]
    assert rates == [5e-4, 5e-4, 1e-3]
