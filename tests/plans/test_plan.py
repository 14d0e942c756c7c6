import json

import pytest

from keras_transfer.freezing import FreezeAll, FreezePatterns
from keras_transfer.plans import Phase, Plan
from keras_transfer.plans.chooser import phases_of

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
def test_wrong_phases_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        Phase(**{"freeze_policy": FreezeAll(), "epochs": 1, "learning_rate": 0.1, **arguments})


@pytest.mark.parametrize("phases", [[], ["head"]])
def test_wrong_plans_are_errors(phases):
    with pytest.raises(ValueError, match="`phases`"):
        Plan(phases)


def test_plan_without_a_cache_has_no_exact_solution():
    plan = Plan(phases_of("use as is", 0, 5, 3000)).without_exact_solution()
    assert [(phase.solver, phase.epochs) for phase in plan.phases] == [("adamw", 10)]
