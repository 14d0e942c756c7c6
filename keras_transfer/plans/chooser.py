"""The plan for those who have none."""

from keras_transfer.plans.phases import (
    are_very_few_steps,
    head_phase,
    tuning_epochs,
    tuning_phase,
)
from keras_transfer.plans.plan import Plan

# Below so many pictures per class, the last stages are fitted to single pictures.
_FEW_PER_CLASS = 20
# From so many on, an earlier stage has enough to learn from.
_MANY_PER_CLASS = 1000
# Under a time budget: a part of the epochs, and views to keep, 0 for the pictures as they are;
# the most accurate choice first, for the stages that are wanted and then for fewer.
_CHOICES = ((1.0, 4), (0.75, 2), (0.5, 0), (0.35, 0))
_FEWEST_EPOCHS = 3


def default_plan(
    num_images, num_classes, num_stages=5, batch_size=32, costs=None, time_budget=None
):
    """Chooses a plan from the size of the data, and from the time there is.

    Args:
        num_images: the number of training pictures.
        num_classes: the number of classes or outputs.
        num_stages: the number of stages of the backbone. Defaults to 5.
        batch_size: the number of pictures in a step. Defaults to 32.
        costs: `Costs`, what the parts of the training cost on this machine. Defaults to None,
            not known.
        time_budget: seconds that the plan may take by these costs. Defaults to None, no limit.

    Returns:
        A `Plan`, whose `reasons` say why.
    """
    for name, value in {"num_images": num_images, "num_classes": num_classes}.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    if time_budget is not None and (costs is None or not time_budget > 0):
        raise ValueError(
            "`time_budget` must be positive, and needs `costs` to compare with. "
            f"Received: time_budget={time_budget!r}, costs={costs!r}"
        )
    per_class = num_images / num_classes
    head = head_phase(num_images, batch_size)
    reasons = [
        f"The head starts from random numbers, and its first gradients would spoil the "
        f"pretrained weights: it is trained alone for {head.epochs} epochs "
        "(Kumar et al., ICLR 2022). It sees the pictures as they are: it has too few weights "
        "to learn them by heart."
    ]
    if per_class < _FEW_PER_CLASS:
        reasons.append(
            f"With {num_images} pictures, {per_class:.0f} a class, the last stages would learn "
            "the pictures by heart: the backbone stays as it is."
        )
        return Plan([head], reasons)
    epochs = tuning_epochs(num_images, batch_size)
    few_steps = are_very_few_steps(epochs, num_images, batch_size)
    wanted = _wanted_stages(per_class, few_steps, num_stages)
    chosen = _affordable(wanted, epochs, num_images, batch_size, costs, time_budget)
    if chosen is None:
        reasons.append(
            f"Training more than the head would take longer than {time_budget:.0f} s here."
        )
        return Plan([head], reasons)
    stages, epochs, views, seconds = chosen
    tuning = tuning_phase(stages, num_stages, num_images, batch_size, epochs, views)
    last = "the last stage" if stages == 1 else f"the last {stages} stages"
    whole = "the whole backbone" if stages == num_stages else last
    reasons.append(
        f"With {num_images} pictures, {per_class:.0f} a class, {whole} can be fitted to the "
        f"task: {tuning.epochs} epochs, each stage at {tuning.layerwise_decay} times the rate "
        "of the one after it, since early features are the most general "
        "(Yosinski et al., 2014)."
    )
    reasons.append(
        "BatchNormalization stays frozen: its statistics come from more pictures than there "
        "are here."
    )
    if seconds is not None:
        limit = "" if time_budget is None else f" of the {time_budget:.0f} s there are"
        reasons.append(f"This should take about {seconds:.0f} s{limit} on this machine.")
    return Plan([head, tuning], reasons)


def _wanted_stages(per_class, few_steps, num_stages):
    if num_stages <= 2:
        return num_stages
    if few_steps:
        return 1
    return min(2 if per_class < _MANY_PER_CLASS else 3, num_stages - 1)


def _affordable(wanted, epochs, num_images, batch_size, costs, time_budget):
    """Stages, epochs, views and seconds of the best choice within the budget, or None."""
    for stages in range(wanted, 0, -1):
        for part, views in _CHOICES:
            some = max(round(part * epochs), _FEWEST_EPOCHS)
            if part < 1 and stages > 1 and are_very_few_steps(some, num_images, batch_size):
                continue
            seconds = costs and _seconds(costs, stages, some, views, num_images)
            if time_budget is None or seconds <= time_budget:
                return stages, some, views, seconds
    return None


def _seconds(costs, stages, epochs, views, num_images):
    if views:
        features = costs.extraction(0, num_images, 0)
    else:
        features = costs.continuation(stages, num_images)
    tuning = costs.extraction(stages, num_images, views)
    tuning += costs.tuning(stages, num_images, epochs)
    return features + costs.head() + tuning
