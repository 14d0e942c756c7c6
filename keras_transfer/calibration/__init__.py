"""Whether the predictions of a model can be trusted: calibration, and errors by class."""

from keras_transfer.calibration.box_measures import per_box
from keras_transfer.calibration.calibration_error import measure_calibration, plot_reliability
from keras_transfer.calibration.conformal_thresholds import fit_conformal
from keras_transfer.calibration.forgetting_measure import forgetting
from keras_transfer.calibration.label_measures import per_label
from keras_transfer.calibration.mask_measures import per_pixel
from keras_transfer.calibration.measures import per_class
from keras_transfer.calibration.number_measures import per_number
from keras_transfer.calibration.temperature_scaling import calibrated

__all__ = [
    "calibrated",
    "fit_conformal",
    "forgetting",
    "measure_calibration",
    "per_box",
    "per_class",
    "per_label",
    "per_number",
    "per_pixel",
    "plot_reliability",
]
