"""Phases that plans are made of."""

import math

from keras_transfer.freezing import FreezeAll, FreezeNone, UnfreezeLast
from keras_transfer.plans.plan import Phase

_HEAD_STEPS, _HEAD_EPOCHS = 2000, (5, 20)
_TUNING_STEPS, _TUNING_EPOCHS = 750, (8, 12)
# In a few steps at the full rate, Adam spoils more of the pretrained weights than it mends; in
# very few it does so in all stages but the last.
_FEW_STEPS, _RATE, _RATE_OF_FEW_STEPS = 500, 1e-3, 5e-4
_VERY_FEW_STEPS = 200
_DECAY = 0.7
# Without anything to start from it takes longer.
_SCRATCH_STEPS, _SCRATCH_EPOCHS = 3000, (20, 40)


def head_phase(num_images, batch_size=32):
    """The head alone, on the pictures as they are.

    Args:
        num_images: the number of training pictures.
        batch_size: the number of pictures in a step. Defaults to 32.
    """
    return Phase(
        FreezeAll(),
        epochs=_epochs(_HEAD_STEPS, num_images, batch_size, *_HEAD_EPOCHS),
        learning_rate=1e-3,
        views=1,
        augmented=False,
        name="head",
    )


def exact_head_phase():
    """The head's exact solution, see `solve_head`."""
    return Phase(
        FreezeAll(), epochs=1, learning_rate=1e-3, views=1, augmented=False, solver="lbfgs",
        name="exact head",
    )  # fmt: skip


def tuning_phase(stages, num_stages, num_images, batch_size=32, epochs=None, views=4):
    """The last stages, each at 0.7 times the rate of the one after it.

    Args:
        stages: how many are trained.
        num_stages: how many there are.
        num_images: the number of training pictures.
        batch_size: the number of pictures in a step. Defaults to 32.
        epochs: how many. Defaults to `tuning_epochs`.
        views: draws of the augmentation to keep, 0 for the pictures as they are. Defaults to
            4.
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
        name="fine-tuning",
    )


def scratch_phase(num_images, batch_size=32):
    """All weights at one rate, BatchNormalization's statistics too, from random numbers.

    Args:
        num_images: the number of training pictures.
        batch_size: the number of pictures in a step. Defaults to 32.
    """
    return Phase(
        FreezeNone(batch_norm="trainable"),
        epochs=_epochs(_SCRATCH_STEPS, num_images, batch_size, *_SCRATCH_EPOCHS),
        learning_rate=_RATE,
        name="from scratch",
    )


def tuning_epochs(num_images, batch_size=32):
    """How many epochs the last stages are trained for where there is time."""
    return _epochs(_TUNING_STEPS, num_images, batch_size, *_TUNING_EPOCHS)


def are_very_few_steps(epochs, num_images, batch_size=32):
    """Whether so few steps do more harm than good to all stages but the last."""
    return epochs * math.ceil(num_images / batch_size) < _VERY_FEW_STEPS


def _epochs(steps, num_images, batch_size, at_least, at_most):
    return min(max(math.ceil(steps / math.ceil(num_images / batch_size)), at_least), at_most)
