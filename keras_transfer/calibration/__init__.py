"""Whether the predictions of a model can be trusted: calibration, and errors by class."""

from keras_transfer.calibration.calibration_error import (
    expected_calibration_error,
    measure_calibration,
    plot_reliability,
)
from keras_transfer.calibration.conformal_thresholds import fit_conformal
from keras_transfer.calibration.forgetting_measure import forgetting
from keras_transfer.calibration.measures import per_class, worst_mistakes
from keras_transfer.calibration.temperature_scaling import calibrated, fit_temperature

__all__ = [
    "calibrated",
    "expected_calibration_error",
    "fit_conformal",
    "fit_temperature",
    "forgetting",
    "measure_calibration",
    "per_class",
    "plot_reliability",
    "worst_mistakes",
]
