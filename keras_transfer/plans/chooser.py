"""The one function that chooses a plan, and the thresholds that it chooses by."""

import dataclasses
import math

from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.plans.costs import Costs
from keras_transfer.plans.decoder_plans import (
    check_no_budget,
    decoder_phases,
    decoder_plan,
    epochs_of,
)
from keras_transfer.plans.likeness import Likeness
from keras_transfer.plans.plan import Phase, Plan

# From the least that is trained to the most.
STRATEGIES = (
    "use as is",
    "train the head",
    "train the last stages",
    "train everything",
    "train from scratch",
)

# Images per class. With fewer, the last stages overfit.
FEW_PER_CLASS = 20
# With more, an earlier stage has enough images to learn from, and random weights may do as well
# as pretrained ones.
MANY_PER_CLASS = 1000
# A linear probe above this accuracy leaves nothing to fine-tune for.
PERFECT = 0.99
# Below this skill of a linear probe the images are unlike those of the source: its last stages
# are specialised in something else.
UNLIKE = 0.5
# The share of a probe's skill that it loses on augmented images. With more, the augmentation
# changes what the classes differ in: on photographs the probe lost 1 and 4%, on X-rays and on
# hands that show digits, which have a left and a right, 15 and 13%.
_HARMFUL = 0.08
# A third stage takes time and gained nothing on four data sets: benchmarks/measured.
_LAST_STAGES = 2

_HEAD_STEPS, _HEAD_EPOCHS, _HEAD_RATE = 2000, (5, 20), 1e-3
# Of a head with layers of its own for what goes in beside the features.
_JOINED_EPOCHS = (5, 60)
_TUNING_STEPS, _TUNING_EPOCHS = 500, (6, 8)
# In a few steps at the full rate, Adam harms the pretrained weights more than it improves them;
# in very few steps this holds for all stages but the last.
_FEW_STEPS, _VERY_FEW_STEPS = 330, 130
_RATE, _RATE_OF_FEW_STEPS = 1e-3, 5e-4
_DECAY = 0.7
_SCRATCH_STEPS, _SCRATCH_EPOCHS = 3000, (20, 40)
# With a time budget: a share of the epochs, and the number of cached views (0: the images
# without augmentation). The most accurate choice comes first; after the last one the plan
# trains one stage less.
_CHOICES = ((1.0, 4), (0.75, 2), (0.5, 0), (0.35, 0))
_FEWEST_EPOCHS = 3


def choose_plan(
    num_images: int,
    num_classes: int,
    num_stages: int = 5,
    batch_size: int = 32,
    likeness: Likeness | None = None,
    costs: Costs | None = None,
    time_budget: float | None = None,
    decoder: bool = False,
) -> Plan:
    """Chooses a plan from the size of the data set, and explains the choice.

    | images per class | alike, or not known | unlike |
    |---|---|---|
    | fewer than 20 | the head | the head |
    | up to 1000 | the head, then the last two stages | the head, then everything |
    | more | the head, then the last three stages | the head, then everything |

    Whether the images are like those that the backbone was trained on follows from `likeness`.
    It also shows whether a frozen backbone is good enough (the head is then solved exactly),
    and whether random weights are the better start.

    Args:
        num_images: the number of training images.
        num_classes: the number of classes or outputs.
        num_stages: the number of stages of the backbone. Defaults to 5.
        batch_size: the number of images in a step. Defaults to 32.
        likeness: what `measure_likeness` returned. Defaults to None, not measured.
        costs: what `measure_costs` returned. Defaults to None, not measured.
        time_budget: seconds that the plan may take according to `costs`. Defaults to None, no
            limit.
        decoder: whether the head reads several stages, for masks or boxes. It then has many
            weights of its own: it trains longer, on augmented images, and so do the last two
            stages after it. Defaults to False.

    Returns:
        A `Plan`, whose `reasons` explain it.

    Raises:
        ValueError: if there are no images or classes, or `time_budget` is not positive, comes
            without `costs`, or is for a decoder, whose time cannot be estimated.

    Example:

    >>> plan = plans.choose_plan(num_images=3000, num_classes=10)
    >>> [(phase.name, phase.epochs) for phase in plan.phases]
    [('head', 20), ('fine-tuning', 6)]

    Reference: Yosinski et al., How transferable are features in deep neural networks?, NeurIPS
    2014, for the table; Kumar et al., Fine-Tuning can Distort Pretrained Features and
    Underperform Out-of-Distribution, ICLR 2022, for the head first.
    """
    for name, value in {"num_images": num_images, "num_classes": num_classes}.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    if decoder:
        check_no_budget(time_budget)
        return decoder_plan(num_images, batch_size, num_stages, _DECAY, DECAY_REASON)
    if time_budget is not None and (costs is None or not time_budget > 0):
        raise ValueError(
            "`time_budget` must be positive, and needs `costs` to compare with. "
            f"Received: time_budget={time_budget!r}, costs={costs!r}"
        )
    size = num_images, batch_size
    strategy, stages = choose_strategy(*size, num_images / num_classes, num_stages, likeness)
    harm = _harm_of_augmentation(likeness)
    epochs, views, seconds, reasons = tuning_epochs(*size), 0 if harm else 4, None, []
    if costs is not None and strategy in ("train the last stages", "train everything"):
        wanted, affordable = stages, _affordable(stages, epochs, *size, costs, time_budget)
        if affordable is None:
            reasons = [f"Fine-tuning the backbone would take longer than {time_budget:.0f} s."]
            strategy = "train the head"
        else:
            stages, epochs, most_views, seconds = affordable
            views = min(views, most_views)
            if stages < wanted:
                strategy = "train the last stages"
    reasons = reasons or [_reason(strategy, stages, num_images / num_classes, likeness)]
    phases = phases_of(strategy, stages, num_stages, *size, epochs, views)
    if phases[0].name == "head":
        reasons.insert(0, _HEAD_REASON)
    if harm and phases[-1].name == "fine-tuning":
        reasons.append(harm)
    if len(phases) == 2:
        reasons += [_FINE_TUNING_REASON.format(epochs=phases[1].epochs), DECAY_REASON]
    if seconds is not None:
        limit = "" if time_budget is None else f" of a budget of {time_budget:.0f} s"
        reasons.append(f"Estimated time on this machine: {seconds:.0f} s{limit}.")
    figures = [] if likeness is None else likeness.sentences()
    return Plan(phases, [*figures, *reasons], from_scratch=strategy == "train from scratch")


def _harm_of_augmentation(likeness):
    """Why the images are not augmented, or None."""
    if likeness is None or likeness.augmentation_loss <= _HARMFUL:
        return None
    return _HARM_REASON.format(likeness.augmented_accuracy, likeness.accuracy)


def with_changes(
    plan, num_stages, size, unfreeze=None, epochs=None, learning_rate=None, decoder=False
):
    """A plan in which a user has decided some things.

    Args:
        plan: a `Plan`.
        num_stages: the number of stages of the backbone.
        size: the number of training images, and of images in a step.
        unfreeze: the number of last stages to train after the head, 0 for the head alone.
            Defaults to None, as in the plan.
        epochs: of the last phase. Defaults to None, as in the plan.
        learning_rate: the highest one of the last phase. Defaults to None, as in the plan.
        decoder: as in `choose_plan`.

    Raises:
        ValueError: if there are fewer stages.
    """
    changes = {"epochs": epochs, "learning_rate": learning_rate}
    changes = {name: value for name, value in changes.items() if value is not None}
    if unfreeze is None and not changes:
        return plan
    check_unfreeze(unfreeze, num_stages)
    phases, reasons = list(plan.phases), plan.reasons
    from_scratch = plan.from_scratch and unfreeze is None
    if unfreeze is not None:
        strategy = "train the last stages" if unfreeze else "train the head"
        phases = phases_of(strategy, unfreeze, num_stages, *size)
        if decoder:
            phases = decoder_phases(unfreeze, num_stages, size, _DECAY)
        reasons = ["The number of stages to train was given, not chosen by the library."]
    elif phases[-1].solver == "exact":
        phases[-1] = head_phase(*size)  # the exact solution has neither epochs nor a rate
    phases[-1] = dataclasses.replace(phases[-1], **changes)
    given = [f"{name.replace('_', ' ')} {value:g}" for name, value in changes.items()]
    if given:
        reasons = [*reasons, f"As given, '{phases[-1].name}' has: {', '.join(given)}."]
    plan = dataclasses.replace(plan, phases=phases, reasons=reasons, from_scratch=from_scratch)
    return plan.with_exact_head() if unfreeze and plan.truncate_at else plan


def check_unfreeze(unfreeze, num_stages):
    """Raises `ValueError` if a backbone has fewer stages than a user wants to train."""
    if unfreeze is not None and unfreeze > num_stages:
        raise ValueError(
            f"The backbone has {num_stages} stages that can be trained. "
            f"Received: unfreeze={unfreeze}"
        )


def choose_strategy(num_images, batch_size, images_per_class, num_stages, likeness=None):
    """One of `STRATEGIES`, and the number of stages to train."""
    many = images_per_class >= MANY_PER_CLASS
    if likeness is not None and likeness.gain[1] < 0 and many:
        return "train from scratch", num_stages
    if likeness is not None and likeness.interval[0] >= PERFECT:
        return "use as is", 0
    if images_per_class < FEW_PER_CLASS:
        return "train the head", 0
    if num_stages <= 2:
        return "train everything", num_stages
    if are_very_few_steps(tuning_epochs(num_images, batch_size), num_images, batch_size):
        return "train the last stages", 1
    if likeness is not None and likeness.skill < UNLIKE:
        return "train everything", num_stages
    return "train the last stages", min(_LAST_STAGES + many, num_stages - 1)


def phases_of(strategy, stages, num_stages, num_images, batch_size=32, epochs=None, views=4):
    """The phases of a strategy.

    Args:
        strategy: one of `STRATEGIES`.
        stages: how many of the last stages are trained.
        num_stages: the number of stages of the backbone.
        num_images: the number of training images.
        batch_size: the number of images in a step.
        epochs: of fine-tuning. Defaults to `tuning_epochs`.
        views: as in `tuning_phase`.
    """
    if strategy == "use as is":
        return [exact_head_phase()]
    if strategy == "train from scratch":
        return [scratch_phase(num_images, batch_size)]
    head = head_phase(num_images, batch_size)
    if strategy == "train the head":
        return [head]
    return [head, tuning_phase(stages, num_stages, num_images, batch_size, epochs, views)]


def frozen_plan(num_images, batch_size=32):
    """The plan for a network that cannot train."""
    reason = "The network runs in OpenVINO and cannot train: the head alone is trained."
    return Plan([head_phase(num_images, batch_size)], [reason])


def with_joined_head(plan, num_images, batch_size=32):
    """The plan with a longer training of the head: it joins the features with other inputs."""
    first, *rest = plan.phases
    if not isinstance(first.freeze_policy, FreezeAll) or first.solver == "exact":
        return plan
    epochs = epochs_of(_HEAD_STEPS, num_images, batch_size, *_JOINED_EPOCHS)
    return dataclasses.replace(plan, phases=[dataclasses.replace(first, epochs=epochs), *rest])


def head_phase(num_images, batch_size=32):
    """The head alone, on the images without augmentation."""
    return Phase(
        FreezeAll(),
        epochs=epochs_of(_HEAD_STEPS, num_images, batch_size, *_HEAD_EPOCHS),
        learning_rate=_HEAD_RATE,
        views=1,
        augmented=False,
        name="head",
    )


def exact_head_phase():
    """The exact solution of the head, see `training.solve_head`."""
    return Phase(
        FreezeAll(), epochs=1, learning_rate=_HEAD_RATE, views=1, augmented=False,
        solver="exact", name="exact head",
    )  # fmt: skip


def tuning_phase(stages, num_stages, num_images, batch_size=32, epochs=None, views=4):
    """The last stages, each at 0.7 times the learning rate of the stage after it.

    Args:
        stages: how many are trained.
        num_stages: how many there are.
        num_images: the number of training images.
        batch_size: the number of images in a step.
        epochs: Defaults to `tuning_epochs`.
        views: how many draws of the augmentation are cached; 0 for images without
            augmentation.
    """
    epochs = epochs or tuning_epochs(num_images, batch_size)
    steps = epochs * math.ceil(num_images / batch_size)
    return Phase(
        FreezeNone() if stages == num_stages else UnfreezeLast(stages),
        epochs=epochs,
        learning_rate=_RATE if steps >= _FEW_STEPS else _RATE_OF_FEW_STEPS,
        layerwise_decay=_DECAY,
        views=max(views, 1),
        augmented=views > 0,
        averaged=True,
        name="fine-tuning",
    )


def scratch_phase(num_images, batch_size=32):
    """All weights from random values at one learning rate, BatchNormalization included."""
    return Phase(
        FreezeNone(batch_norm="trainable"),
        epochs=epochs_of(_SCRATCH_STEPS, num_images, batch_size, *_SCRATCH_EPOCHS),
        learning_rate=_RATE,
        name="from scratch",
    )


def tuning_epochs(num_images, batch_size=32):
    """How many epochs fine-tuning takes without a time budget."""
    return epochs_of(_TUNING_STEPS, num_images, batch_size, *_TUNING_EPOCHS)


def are_very_few_steps(epochs, num_images, batch_size=32):
    """Whether training more than the last stage does more harm than good."""
    return epochs * math.ceil(num_images / batch_size) < _VERY_FEW_STEPS


def _affordable(wanted, epochs, num_images, batch_size, costs, time_budget):
    """Stages, epochs, views and seconds of the best choice within the budget, or None."""
    for stages in range(min(wanted, len(costs.forward)), 0, -1):
        for share, views in _CHOICES:
            some = max(round(share * epochs), _FEWEST_EPOCHS)
            if share < 1 and stages > 1 and are_very_few_steps(some, num_images, batch_size):
                continue
            seconds = costs.total(stages, num_images, some, views)
            if time_budget is None or seconds <= time_budget:
                return stages, some, views, seconds
    return None


_HEAD_REASON = (
    "The head starts from random weights, and its first gradients would distort the pretrained "
    "features: it is trained alone first (Kumar et al., ICLR 2022). It sees the data without "
    "augmentation, because it has too few weights to overfit."
)
_HARM_REASON = (
    "The images are not augmented: a probe that was fitted on the images as they are has an "
    "accuracy of {:.1%} on augmented ones, instead of {:.1%}."
)
# Not true of a model that was compiled with its own multipliers.
DECAY_REASON = (
    f"Each stage has {_DECAY} times the learning rate of the stage after it, because early "
    "features are the most general (Yosinski et al., 2014)."
)
_FINE_TUNING_REASON = (
    "Fine-tuning takes {epochs} epochs; the average of the weights over the last steps is "
    "kept. BatchNormalization stays frozen: its statistics come from more examples than "
    "there are here."
)


def _reason(strategy, stages, images_per_class, likeness):
    images = f"With {images_per_class:.0f} examples per class or output"
    if strategy == "use as is":
        return (
            f"A linear probe on the frozen features is at least {PERFECT:.0%} accurate: the "
            "backbone stays frozen, and the head is solved exactly."
        )
    if strategy == "train the head":
        return f"{images}, the last stages would overfit: the backbone stays frozen."
    if strategy == "train from scratch":
        return (
            "Pretrained features are significantly worse than random ones, and "
            f"{images_per_class:.0f} examples per class are enough to train from random "
            "weights."
        )
    if strategy == "train everything" and likeness is not None and likeness.skill < UNLIKE:
        return (
            f"The probe's skill of {likeness.skill:.2f} (0 is chance, 1 is perfect) shows that "
            "the data are unlike those of the source: all stages are fine-tuned."
        )
    if strategy == "train everything":
        return f"{images}, the backbone can be fine-tuned; it has too few stages to divide it."
    last = "the last stage" if stages == 1 else f"the last {stages} stages"
    skill = "" if likeness is None else f" and a probe's skill of {likeness.skill:.2f}"
    return f"{images}{skill}, {last} can be fine-tuned."
