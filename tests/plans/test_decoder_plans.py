"""Plans for heads that read several stages."""

import pytest

from keras_transfer import freezing, plans
from keras_transfer.plans.chooser import with_changes


def test_a_decoder_is_trained_alone_on_augmented_images_and_then_with_the_last_stages():
    plan = plans.choose_plan(367, 11, num_stages=5, decoder=True)
    head, tuning = plan.phases
    assert isinstance(head.freeze_policy, freezing.FreezeAll) and head.augmented
    assert tuning.freeze_policy == freezing.UnfreezeLast(2) and tuning.layerwise_decay == 0.7
    assert "decoder" in plan.reasons[0]


@pytest.mark.parametrize(("images", "stages"), [(40, 5), (400, 2)])
def test_few_images_or_stages_train_the_decoder_alone(images, stages):
    assert len(plans.choose_plan(images, 3, stages, decoder=True).phases) == 1


def test_the_user_decides_how_many_stages_of_a_decoder_plan_are_trained():
    plan = plans.choose_plan(367, 11, num_stages=5, decoder=True)
    (head,) = with_changes(plan, 5, (367, 16), unfreeze=0, epochs=3, decoder=True).phases
    assert head.augmented and head.epochs == 3
    phases = with_changes(plan, 5, (367, 16), unfreeze=5, decoder=True).phases
    assert phases[1].freeze_policy == freezing.FreezeNone()


def test_a_time_budget_for_a_decoder_is_refused():
    with pytest.raises(ValueError, match="cannot be estimated: pass `epochs`"):
        plans.choose_plan(367, 11, time_budget=60.0, decoder=True)
