"""The plan for those who have none."""

import math

from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.training.plan import Phase, Plan

# Below so many pictures per class, the last stages are fitted to single pictures.
_FEW_PER_CLASS = 20
# From so many on, an earlier stage has enough to learn from.
_MANY_PER_CLASS = 1000
_HEAD_STEPS, _HEAD_EPOCHS = 300, (3, 10)
_TUNING_STEPS, _TUNING_EPOCHS = 1000, (8, 20)


def default_plan(num_images, num_classes, num_stages=5, batch_size=32):
    """Chooses a plan from the size of the data.

    Args:
        num_images: the number of training pictures.
        num_classes: the number of classes or outputs.
        num_stages: the number of stages of the backbone. Defaults to 5.
        batch_size: the number of pictures in a step. Defaults to 32.

    Returns:
        A `Plan`, whose `reasons` say why.
    """
    for name, value in {"num_images": num_images, "num_classes": num_classes}.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    steps_per_epoch = math.ceil(num_images / batch_size)
    per_class = num_images / num_classes
    head = Phase(
        FreezeAll(),
        epochs=_epochs(_HEAD_STEPS, steps_per_epoch, *_HEAD_EPOCHS),
        learning_rate=1e-3,
        name="head",
    )
    reasons = [
        f"The head starts from random numbers, and its first gradients would spoil the "
        f"pretrained weights: it is trained alone for {head.epochs} epochs "
        "(Kumar et al., ICLR 2022)."
    ]
    if per_class < _FEW_PER_CLASS:
        reasons.append(
            f"With {num_images} pictures, {per_class:.0f} a class, the last stages would learn "
            "the pictures by heart: the backbone stays as it is."
        )
        return Plan([head], reasons)
    tuned, stages = _tuned_stages(per_class, num_stages)
    tuning = Phase(
        tuned,
        epochs=_epochs(_TUNING_STEPS, steps_per_epoch, *_TUNING_EPOCHS),
        learning_rate=1e-3,
        layerwise_decay=0.7,
        name="fine-tuning",
    )
    reasons.append(
        f"With {num_images} pictures, {per_class:.0f} a class, {stages} can be fitted to the "
        f"task: {tuning.epochs} epochs, each stage at {tuning.layerwise_decay} times the rate "
        "of the one after it, since early features are the most general "
        "(Yosinski et al., 2014)."
    )
    reasons.append(
        "BatchNormalization stays frozen: its statistics come from more pictures than there "
        "are here."
    )
    return Plan([head, tuning], reasons)


def _epochs(steps, steps_per_epoch, at_least, at_most):
    return min(max(math.ceil(steps / steps_per_epoch), at_least), at_most)


def _tuned_stages(per_class, num_stages):
    if num_stages <= 2:
        return FreezeNone(), "the whole backbone"
    wanted = min(2 if per_class < _MANY_PER_CLASS else 3, num_stages - 1)
    return UnfreezeLast(wanted), f"the last {wanted} stages"
