"""Whether the probabilities of a model can be trusted."""

from keras_transfer.calibration.calibration import Calibration, ReliabilityBin
from keras_transfer.calibration.calibration_error import (
    expected_calibration_error,
    measure_calibration,
    reliability,
)
from keras_transfer.calibration.class_measures import ClassMeasures, PerClass, per_class
from keras_transfer.calibration.conformal_fit import fit_conformal
from keras_transfer.calibration.conformal_threshold import ConformalThreshold
from keras_transfer.calibration.forgetting_measure import Forgetting, forgetting
from keras_transfer.calibration.mistakes import Mistake, worst_mistakes
from keras_transfer.calibration.reliability_figure import plot_reliability
from keras_transfer.calibration.temperature_fit import fit_temperature
from keras_transfer.calibration.temperature_layer import apply_temperature
from keras_transfer.calibration.temperature_scaling import TemperatureScaling, calibrate

__all__ = [
    "Calibration",
    "ClassMeasures",
    "ConformalThreshold",
    "Forgetting",
    "Mistake",
    "PerClass",
    "ReliabilityBin",
    "TemperatureScaling",
    "apply_temperature",
    "calibrate",
    "expected_calibration_error",
    "fit_conformal",
    "fit_temperature",
    "forgetting",
    "measure_calibration",
    "per_class",
    "plot_reliability",
    "reliability",
    "worst_mistakes",
]
