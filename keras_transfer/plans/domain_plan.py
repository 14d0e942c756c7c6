"""A plan that also reads images of a target or of an earlier task."""

import dataclasses

from keras_transfer.adaptation import MinimumClassConfusion, OwnStatistics
from keras_transfer.freezing import FreezeAll
from keras_transfer.models.objective import Objective
from keras_transfer.plans.plan import Plan
from keras_transfer.retention import Distillation

# Of the head on adapted features, where the plan solves the head exactly.
_EPOCHS, _RATE = 10, 1e-3


def with_objectives(plan: Plan, has_target: bool, has_memory: bool) -> Plan:
    """A chosen plan with the objectives for the images that there are.

    The head is trained as before first: that is the model without adaptation, which the score
    on the target may prefer. Then it is trained again with the target's own statistics.

    Args:
        plan: a `Plan` without objectives.
        has_target: whether there are images of a target.
        has_memory: whether there are images of an earlier task.

    Returns:
        A `Plan`.
    """
    phases, reasons = [], list(plan.reasons)
    for place, phase in enumerate(plan.phases):
        is_head = isinstance(phase.freeze_policy, FreezeAll)
        added: list[Objective] = []
        if has_target and (place or not is_head):
            added.append(MinimumClassConfusion())
        if has_memory and not is_head:
            added.append(Distillation())
        phases.append(dataclasses.replace(phase, objectives=added))
        if has_target and is_head and not place:
            if phase.solver == "exact":
                phase = dataclasses.replace(
                    phase, epochs=_EPOCHS, learning_rate=_RATE, solver="adamw"
                )
            adapted = [OwnStatistics(), MinimumClassConfusion()]
            phases.append(dataclasses.replace(phase, objectives=adapted, name="adapted head"))
    if has_target:
        reasons.append(
            "The target has no labels: the model trains against class confusion on its images, "
            "and the epoch with the best score on them is kept."
        )
    if has_memory and not all(isinstance(p.freeze_policy, FreezeAll) for p in plan.phases):
        reasons.append(
            "Where the backbone trains, its features of images of the earlier task are kept."
        )
    return dataclasses.replace(plan, phases=phases, reasons=reasons)
