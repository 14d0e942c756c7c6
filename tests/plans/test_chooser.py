import dataclasses

import pytest

from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.plans import Plan, choose_plan
from keras_transfer.plans.chooser import (
    STRATEGIES,
    choose_strategy,
    exact_head_phase,
    phases_of,
    scratch_phase,
    with_changes,
    with_joined_head,
)
from keras_transfer.plans.likeness import Likeness

ALIKE = Likeness(
    num_images=3000, num_classes=10, chance=0.1, accuracy=0.9, interval=(0.89, 0.91),
    random_accuracy=0.5, gain=(0.38, 0.42),
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
    likeness = dataclasses.replace(ALIKE, **changed)
    size = likeness.num_images, 32, likeness.images_per_class
    assert choose_strategy(*size, 5, likeness) == expected


def test_backbone_of_two_stages_is_trained_as_a_whole():
    assert choose_strategy(3000, 32, 300, 2, ALIKE) == ("train everything", 2)


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


@pytest.mark.parametrize(
    ("num_images", "stages"),
    # 10 images per class; 300 per class; 2000 per class.
    [(100, 0), (3000, 2), (20_000, 3)],
)
def test_strategy_without_a_measurement_follows_the_number_of_images(num_images, stages):
    assert choose_strategy(num_images, 32, num_images / 10, 5)[1] == stages


def test_likeness_decides_the_phases_and_stands_before_the_reasons():
    likeness = dataclasses.replace(ALIKE, accuracy=0.5)
    plan = choose_plan(3000, 10, 5, 32, likeness)
    assert plan.phases[1].freeze_policy == FreezeNone()
    assert "50.0% (95% CI 89.0% to 91.0%)" in plan.reasons[0]
    assert "unlike those of the source" in " ".join(plan.reasons)


def test_few_pictures_train_the_head_alone():
    plan = choose_plan(num_images=100, num_classes=10)
    assert [phase.freeze_policy for phase in plan.phases] == [FreezeAll()]
    assert "10 examples per class" in plan.reasons[-1]


def test_many_pictures_train_the_last_stages_after_the_head():
    plan = choose_plan(num_images=3000, num_classes=10)
    assert plan.phases[0].freeze_policy == FreezeAll()
    assert isinstance(plan.phases[1].freeze_policy, UnfreezeLast)
    assert plan.phases[1].layerwise_decay < 1
    assert any("300 examples per class" in reason for reason in plan.reasons)


def test_network_of_two_stages_is_trained_whole():
    plan = choose_plan(num_images=3000, num_classes=10, num_stages=2)
    assert plan.phases[1].freeze_policy == FreezeNone()


@pytest.mark.parametrize("num_images", [1, 50, 300, 5_000, 100_000])
@pytest.mark.parametrize("num_stages", [1, 2, 3, 5])
def test_every_plan_fits_its_network_and_gives_reasons(num_images, num_stages):
    plan = choose_plan(num_images, 2, num_stages)
    for phase in plan.phases:
        assert getattr(phase.freeze_policy, "num_stages", 0) < max(num_stages, 2)
    assert len(plan.reasons) >= len(plan.phases)


@pytest.mark.parametrize("arguments", [(0, 2), (10, 0)])
def test_empty_data_are_errors(arguments):
    with pytest.raises(ValueError, match="at least 1"):
        choose_plan(*arguments)


def test_head_sees_the_pictures_as_they_are():
    head, tuning = choose_plan(3000, 10).phases
    assert not head.augmented and tuning.augmented


def test_very_few_steps_train_the_last_stage_alone():
    plans = [choose_plan(number, 2) for number in (244, 900)]
    assert [plan.phases[-1].freeze_policy for plan in plans] == [
        UnfreezeLast(1),
        UnfreezeLast(2),
    ]
    assert "the last stage can be fine-tuned" in plans[0].reasons[1]


def test_few_steps_are_made_at_a_smaller_rate():
    rates = [choose_plan(number, 2).phases[-1].learning_rate for number in (200, 1000, 3000)]
    assert rates == [5e-4, 5e-4, 1e-3]


def test_a_user_decides_what_is_trained_and_how_fast():
    plan, size = choose_plan(3000, 10), (3000, 32)
    changed = with_changes(plan, 5, size, unfreeze=1, epochs=3, learning_rate=2e-4)
    head, tuning = changed.phases
    assert (head, tuning.freeze_policy) == (plan.phases[0], UnfreezeLast(1))
    assert (tuning.epochs, tuning.learning_rate, tuning.layerwise_decay) == (3, 2e-4, 0.7)
    assert changed.reasons[-1] == (
        "As given, 'fine-tuning' has: epochs 3, learning rate 0.0002."
    )
    assert with_changes(plan, 5, size) is plan
    assert with_changes(plan, 5, size, unfreeze=5).phases[1].freeze_policy == FreezeNone()


def test_the_head_alone_has_epochs_and_a_rate():
    for plan in (choose_plan(3000, 10), Plan([exact_head_phase()])):
        (head,) = with_changes(plan, 5, (3000, 32), unfreeze=0, learning_rate=0.01).phases
        assert (head.solver, head.learning_rate) == ("adamw", 0.01)
    (head,) = with_changes(Plan([exact_head_phase()]), 5, (3000, 32), epochs=4).phases
    assert (head.solver, head.epochs) == ("adamw", 4)


def test_a_training_from_scratch_stays_one_unless_stages_are_chosen():
    plan = Plan([scratch_phase(3000)], from_scratch=True)
    assert with_changes(plan, 5, (3000, 32), epochs=2).from_scratch
    assert not with_changes(plan, 5, (3000, 32), unfreeze=2).from_scratch


def test_more_stages_than_there_are_is_an_error():
    with pytest.raises(ValueError, match=r"has 5 stages.*unfreeze=6"):
        with_changes(choose_plan(3000, 10), 5, (3000, 32), unfreeze=6)


@pytest.mark.parametrize(("accuracy", "augmented"), [(0.88, True), (None, True), (0.7, False)])
def test_an_augmentation_that_does_harm_is_left_out(accuracy, augmented):
    likeness = dataclasses.replace(ALIKE, augmented_accuracy=accuracy)
    plan = choose_plan(3000, 10, 5, 32, likeness)
    assert plan.phases[-1].augmented is augmented
    reason = "The images are not augmented: a probe that was fitted on the images as they are"
    assert any(text.startswith(reason) for text in plan.reasons) is not augmented


def test_a_truncated_backbone_keeps_its_exact_head():
    plan = Plan(choose_plan(3000, 10, 3).phases, truncate_at="add1").with_exact_head()
    changed = with_changes(plan, 3, (3000, 32), unfreeze=1)
    assert [phase.solver for phase in changed.phases] == ["exact", "adamw"]
    assert changed.truncate_at == "add1"


def test_a_head_that_joins_inputs_trains_longer_on_few_images():
    plan = choose_plan(num_images=64, num_classes=2)
    longer = with_joined_head(plan, 64)
    # 2 steps an epoch: 2000 steps would be 1000 epochs, and 60 are the most
    assert (plan.phases[0].epochs, longer.phases[0].epochs) == (20, 60)
    assert longer.phases[1:] == plan.phases[1:]
