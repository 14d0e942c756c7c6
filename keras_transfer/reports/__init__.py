"""What is seen after a training: what a model learned, and whether it can be trusted."""

from keras_transfer.reports.apply_temperature import apply_temperature
from keras_transfer.reports.calibrate import TemperatureScaling, calibrate
from keras_transfer.reports.calibration import Calibration, ReliabilityBin
from keras_transfer.reports.compare_stages import compare_stages
from keras_transfer.reports.conformal_threshold import ConformalThreshold
from keras_transfer.reports.exciting_pictures import ExcitingPictures
from keras_transfer.reports.expected_calibration_error import (
    expected_calibration_error,
    measure_calibration,
    reliability,
)
from keras_transfer.reports.fit_conformal import fit_conformal
from keras_transfer.reports.fit_temperature import fit_temperature
from keras_transfer.reports.forgetting import Forgetting, forgetting
from keras_transfer.reports.grad_cam import grad_cam
from keras_transfer.reports.grad_cam_plus_plus import grad_cam_plus_plus
from keras_transfer.reports.integrated_gradients import integrated_gradients
from keras_transfer.reports.logits import logits
from keras_transfer.reports.most_exciting import most_exciting
from keras_transfer.reports.occlusion import occlusion
from keras_transfer.reports.per_class import ClassMeasures, PerClass, per_class
from keras_transfer.reports.plot_exciting import plot_exciting, plot_exciting_change
from keras_transfer.reports.plot_explanations import plot_explanations
from keras_transfer.reports.plot_reliability import plot_reliability
from keras_transfer.reports.plot_stage_changes import plot_stage_changes
from keras_transfer.reports.randomization_test import randomization_test
from keras_transfer.reports.run_course import course_of
from keras_transfer.reports.run_record import Predictions, RunRecord
from keras_transfer.reports.stage_change import StageChange
from keras_transfer.reports.weight_change import weight_change
from keras_transfer.reports.worst_mistakes import Mistake, worst_mistakes
from keras_transfer.reports.write import write

__all__ = [
    "Calibration",
    "ClassMeasures",
    "ConformalThreshold",
    "ExcitingPictures",
    "Forgetting",
    "Mistake",
    "PerClass",
    "Predictions",
    "ReliabilityBin",
    "RunRecord",
    "StageChange",
    "TemperatureScaling",
    "apply_temperature",
    "calibrate",
    "compare_stages",
    "course_of",
    "expected_calibration_error",
    "fit_conformal",
    "fit_temperature",
    "forgetting",
    "grad_cam",
    "grad_cam_plus_plus",
    "integrated_gradients",
    "logits",
    "measure_calibration",
    "most_exciting",
    "occlusion",
    "per_class",
    "plot_exciting",
    "plot_exciting_change",
    "plot_explanations",
    "plot_reliability",
    "plot_stage_changes",
    "randomization_test",
    "reliability",
    "weight_change",
    "worst_mistakes",
    "write",
]
