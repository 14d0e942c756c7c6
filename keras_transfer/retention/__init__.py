"""Learning a new task without forgetting an earlier one."""

from keras_transfer.retention.distillation import Distillation, Replay
from keras_transfer.retention.distilled_students import distil
from keras_transfer.retention.interpolation import (
    InterpolationCurve,
    interpolate,
    interpolation_curve,
    plot_interpolation,
)
from keras_transfer.retention.pull_to_start import PullToStart

__all__ = [
    "Distillation",
    "InterpolationCurve",
    "PullToStart",
    "Replay",
    "distil",
    "interpolate",
    "interpolation_curve",
    "plot_interpolation",
]
