"""The plan for a head that reads several stages, for masks or boxes."""

import math

from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.plans.plan import Phase, Plan

# Measured on street scenes (367 images) and on blood cells (205).
_FEW = 50
_LAST_STAGES = 2
# Random weights need steps, and many images are not seen as often.
_HEAD_STEPS, _HEAD_EPOCHS = 1000, (15, 40)
_TUNING_STEPS, _TUNING_EPOCHS = 800, (15, 30)
_RATE, _VIEWS = 2e-3, 4


def decoder_plan(num_images, batch_size, num_stages, decay, decay_reason):
    """The decoder alone, and then the last stages, both on augmented images.

    Args:
        num_images: the number of training images.
        batch_size: the number of images in a step.
        num_stages: the number of stages of the backbone.
        decay: the layer-wise decay of the last stages.
        decay_reason: the sentence about it.
    """
    size = num_images, batch_size
    if num_images < _FEW or num_stages <= _LAST_STAGES:
        few = f"{num_images} images are too few to train more than the decoder."
        return Plan(decoder_phases(0, num_stages, size, decay), [_REASON, few])
    last = f"{num_images} images are enough to train the last {_LAST_STAGES} stages as well."
    phases = decoder_phases(_LAST_STAGES, num_stages, size, decay)
    return Plan(phases, [_REASON, last, decay_reason])


def decoder_phases(stages, num_stages, size, decay):
    """The phases; `stages` is how many of the last stages are trained after the decoder."""
    epochs = epochs_of(_HEAD_STEPS, *size, *_HEAD_EPOCHS)
    head = Phase(FreezeAll(), epochs, _RATE, views=_VIEWS, name="head")
    if not stages:
        return [head]
    policy = FreezeNone() if stages == num_stages else UnfreezeLast(stages)
    epochs = epochs_of(_TUNING_STEPS, *size, *_TUNING_EPOCHS)
    tuning = Phase(
        policy, epochs, _RATE, decay, views=_VIEWS, averaged=True, name="fine-tuning"
    )
    return [head, tuning]


def epochs_of(steps, num_images, batch_size, at_least, at_most):
    """The number of epochs that take about this number of steps, within limits."""
    return min(max(math.ceil(steps / math.ceil(num_images / batch_size)), at_least), at_most)


def check_no_budget(time_budget):
    """Raises `ValueError` if there is a time budget."""
    if time_budget is not None:
        raise ValueError(
            "The time of a plan for masks or boxes cannot be estimated: pass `epochs` in the "
            f"place of a time budget. Received: time_budget={time_budget!r}"
        )


_REASON = (
    "The head is a decoder with random weights: it is trained alone first, on augmented "
    "images, because it has enough weights to overfit."
)
