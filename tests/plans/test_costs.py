import time

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import choose_plan, measure_costs
from keras_transfer.plans.costs import Costs, _seconds_of
from tests.networks import mobilenet

# 100 images per second to read, 10 through the stem, and so on.
COSTS = Costs(read=0.01, forward=(0.1, 0.02, 0.02, 0.01), step=(0.3, 0.06, 0.06, 0.03))


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        # Features before the last two stages, then from these to the head: 12.7 + 3.
        (0, 100 * (0.007 + 0.12) + 100 * 0.03),
        # The images through the whole backbone, three views up to the cut: 15.7 + 37.6.
        (3, 100 * (0.007 + 0.15) + 100 * (0.016 + 3 * 0.12)),
    ],
)
def test_total_adds_extraction_the_head_and_the_last_stages(views, expected):
    # 1.5 s for the head, 1.7 s to trace a stage; 5 epochs of 100 images, and validation.
    training = 1.5 + 3.4 + 500 * 0.09 * 1.1
    assert COSTS.total(2, 100, 5, views) == pytest.approx(expected + training)
    slow_start = Costs(COSTS.read, COSTS.forward, COSTS.step, engine_setup=3.0)
    assert slow_start.total(2, 100, 5, views) == pytest.approx(expected + training + 6)


def test_costs_are_positive_and_deeper_cuts_cost_more():
    model = TransferModel(mobilenet(size=64), SoftmaxHead(3))
    images = np.random.default_rng(0).uniform(0, 255, (40, 64, 64, 3)).astype("float32")
    train = tf.data.Dataset.from_tensor_slices((images, np.zeros(40, int))).batch(8)
    costs = measure_costs(model, train)
    assert len(costs.forward) == len(costs.step) == 4  # what comes before, and three stages
    assert all(seconds > 0 for seconds in (*costs.forward, *costs.step))
    assert all(step >= forward for step, forward in zip(costs.step, costs.forward, strict=True))


def planned(budget):
    return choose_plan(3000, 10, 5, 32, costs=COSTS, time_budget=budget)


def seconds(plan):
    """The cost of a plan that fine-tunes, by the same figures."""
    _, tuning = plan.phases
    views = tuning.views if tuning.augmented else 0
    return COSTS.total(tuning.freeze_policy.num_stages, 3000, tuning.epochs, views)


@pytest.mark.parametrize("budget", [1000, 2000, 4000, 10_000])
def test_plan_keeps_to_the_budget(budget):
    plan = planned(budget)
    assert seconds(plan) <= budget
    assert f"{seconds(plan):.0f} s of a budget of {budget} s" in plan.reasons[-1]


def test_more_time_trains_more():
    sizes = [seconds(planned(budget)) for budget in (1000, 1500, 3000, 6000, 20_000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_no_time_trains_the_head_alone():
    plan = planned(500)
    assert [phase.name for phase in plan.phases] == ["head"]
    assert "longer than 500 s" in plan.reasons[-1]


def test_ample_time_changes_nothing():
    assert planned(1e6).phases == choose_plan(3000, 10, 5, 32).phases


@pytest.mark.parametrize("arguments", [{"time_budget": 60}, {"time_budget": 0, "costs": COSTS}])
def test_budget_without_costs_is_told(arguments):
    with pytest.raises(ValueError, match="`time_budget` must be positive, and needs `costs`"):
        choose_plan(3000, 10, **arguments)


def test_a_call_lasts_until_the_device_has_computed(monkeypatch):
    monkeypatch.setattr(tf.test.experimental, "sync_devices", lambda: time.sleep(0.02))
    assert _seconds_of(lambda images: None, None) >= 0.02  # the call itself returns at once
