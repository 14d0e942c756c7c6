"""The plan for a head that reads several stages, for masks or boxes."""

from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.plans.plan import Phase, Plan

# Measured on street scenes (367 images) and on blood cells (205).
_FEW = 50
_LAST_STAGES = 2
_HEAD_EPOCHS, _TUNING_EPOCHS = 15, 30
_RATE, _HEAD_VIEWS, _TUNING_VIEWS = 2e-3, 2, 4


def decoder_plan(num_images, num_stages, decay, decay_reason):
    """The decoder alone, and then the last stages, both on augmented images.

    Args:
        num_images: the number of training images.
        num_stages: the number of stages of the backbone.
        decay: the layer-wise decay of the last stages.
        decay_reason: the sentence about it.
    """
    if num_images < _FEW or num_stages <= _LAST_STAGES:
        few = f"{num_images} images are too few to train more than the decoder."
        return Plan(decoder_phases(0, num_stages, decay), [_REASON, few])
    last = f"{num_images} images are enough to train the last {_LAST_STAGES} stages as well."
    return Plan(decoder_phases(_LAST_STAGES, num_stages, decay), [_REASON, last, decay_reason])


def decoder_phases(stages, num_stages, decay):
    """The phases; `stages` is how many of the last stages are trained after the decoder."""
    head = Phase(FreezeAll(), _HEAD_EPOCHS, _RATE, views=_HEAD_VIEWS, name="head")
    if not stages:
        return [head]
    policy = FreezeNone() if stages == num_stages else UnfreezeLast(stages)
    tuning = Phase(
        policy, _TUNING_EPOCHS, _RATE, decay, views=_TUNING_VIEWS, averaged=True,
        name="fine-tuning",
    )  # fmt: skip
    return [head, tuning]


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
