from keras_transfer import adaptation, plans, retention
from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.plans.domain_plan import with_objectives

PLAN = plans.Plan(
    [
        plans.Phase(FreezeAll(), 1, 0.01, solver="exact", name="exact head"),
        plans.Phase(UnfreezeLast(2), 8, 1e-3, name="last stages"),
    ]
)


def kinds(plan):
    return [[type(one) for one in phase.objectives] for phase in plan.phases]


def test_a_target_adapts_the_head_and_then_the_last_stages():
    plan = with_objectives(PLAN, has_target=True, has_memory=False)
    confusion = adaptation.MinimumClassConfusion
    assert kinds(plan) == [[], [adaptation.OwnStatistics, confusion], [confusion]]
    assert [phase.solver for phase in plan.phases] == ["exact", "adamw", "adamw"]
    assert "best score on them is kept" in plan.reasons[-1]


def test_an_earlier_task_is_kept_where_the_backbone_trains():
    plan = with_objectives(PLAN, has_target=False, has_memory=True)
    assert kinds(plan) == [[], [retention.Distillation]]
    frozen = plans.Plan(PLAN.phases[:1])
    assert with_objectives(frozen, has_target=False, has_memory=True) == frozen


def test_training_from_scratch_has_both():
    plan = plans.Plan([plans.Phase(FreezeNone(), 3, 1e-3)], from_scratch=True)
    found = with_objectives(plan, has_target=True, has_memory=True)
    assert kinds(found) == [[adaptation.MinimumClassConfusion, retention.Distillation]]
    assert found.from_scratch
