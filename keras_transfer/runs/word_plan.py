"""The default plan for word vectors."""

from keras_transfer.freezing import FreezeAll, FreezeNone
from keras_transfer.plans import Phase, Plan

_FROZEN_EPOCHS, _TUNING_EPOCHS, _RATE = 20, 10, 1e-3


def plan_of_words():
    """The convolutions of the head, then the vectors too."""
    phases = [
        Phase(FreezeAll(), _FROZEN_EPOCHS, _RATE, weight_decay=0.0, name="head"),
        Phase(FreezeNone(), _TUNING_EPOCHS, _RATE, weight_decay=0.0, name="fine-tuning"),
    ]
    reason = (
        "The head has convolutions of its own, which learn while the word vectors are frozen; "
        "then the vectors train with it."
    )
    return Plan(phases, [reason])
