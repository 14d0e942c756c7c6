import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Costs, default_plan, measure_costs
from tests.networks import mobilenet

# A hundred pictures a second to read; ten through the stem, and so on.
COSTS = Costs(read=0.01, forward=(0.1, 0.02, 0.02, 0.01), step=(0.3, 0.06, 0.06, 0.03))


def test_extraction_runs_what_comes_before_the_last_stages():
    assert COSTS.extraction(0, 100, 1) == pytest.approx(16)  # 100 * (0.01 + 0.15)
    assert COSTS.extraction(2, 100, 3) == pytest.approx(38)  # 100 * (0.02 + 3 * 0.12)
    assert COSTS.extraction(2, 100, 0) == pytest.approx(12.5)  # 100 * (0.005 + 0.12)
    slow_start = Costs(COSTS.read, COSTS.forward, COSTS.step, engine_setup=3.0)
    assert slow_start.extraction(0, 100, 1) == pytest.approx(19)


def test_head_continues_from_the_features_before_the_last_stages():
    assert COSTS.continuation(2, 100) == pytest.approx(3)  # 100 * (0.02 + 0.01)


def test_tuning_runs_the_last_stages():
    # 1.7 seconds to prepare a stage; 100 pictures, 5 epochs, validation.
    assert COSTS.tuning(2, 100, 5) == pytest.approx(3.4 + 500 * 0.09 * 1.1)


def test_costs_are_positive_and_deeper_cuts_cost_more():
    model = TransferModel(mobilenet(size=64), SoftmaxHead(3))
    images = np.random.default_rng(0).uniform(0, 255, (40, 64, 64, 3)).astype("float32")
    train = tf.data.Dataset.from_tensor_slices((images, np.zeros(40, int))).batch(8)
    costs = measure_costs(model, train)
    assert len(costs.forward) == len(costs.step) == 4  # what comes before, and three stages
    assert all(seconds > 0 for seconds in (*costs.forward, *costs.step))
    assert all(step >= forward for step, forward in zip(costs.step, costs.forward, strict=True))


def planned(budget):
    return default_plan(3000, 10, 5, 32, costs=COSTS, time_budget=budget)


def seconds(plan):
    """What the plan costs by the same figures."""
    if len(plan.phases) == 1:
        return COSTS.extraction(0, 3000, 0) + COSTS.head()
    _, tuning = plan.phases
    stages = tuning.freeze_policy.num_stages
    total = COSTS.head() + COSTS.tuning(stages, 3000, tuning.epochs)
    if not tuning.augmented:
        return total + COSTS.extraction(stages, 3000, 0) + COSTS.continuation(stages, 3000)
    total += COSTS.extraction(stages, 3000, tuning.views)
    return total + COSTS.extraction(0, 3000, 0)


@pytest.mark.parametrize("budget", [1000, 2000, 4000, 10_000])
def test_plan_keeps_to_the_budget(budget):
    plan = planned(budget)
    assert seconds(plan) <= budget
    assert "about" in plan.reasons[-1] or len(plan.phases) == 1


def test_more_time_trains_more():
    sizes = [seconds(planned(budget)) for budget in (600, 1500, 3000, 6000, 20_000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_no_time_trains_the_head_alone():
    plan = planned(500)
    assert [phase.name for phase in plan.phases] == ["head"]
    assert "longer than 500 s" in plan.reasons[-1]


def test_ample_time_changes_nothing():
    assert planned(1e6).phases == default_plan(3000, 10, 5, 32).phases


@pytest.mark.parametrize("arguments", [{"time_budget": 60}, {"time_budget": 0, "costs": COSTS}])
def test_budget_without_costs_is_told(arguments):
    with pytest.raises(ValueError, match="`time_budget` must be positive, and needs `costs`"):
        default_plan(3000, 10, **arguments)
