"""The plan and the verb."""

from keras_transfer.training.default_plan import default_plan
from keras_transfer.training.fine_tune import fine_tune
from keras_transfer.training.plan import Phase, Plan

__all__ = ["Phase", "Plan", "default_plan", "fine_tune"]
