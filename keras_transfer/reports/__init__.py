"""What is seen after a training: what a model learned, and whether it can be trusted."""

from keras_transfer.reports.compare_stages import compare_stages
from keras_transfer.reports.exciting_pictures import ExcitingPictures
from keras_transfer.reports.grad_cam import grad_cam
from keras_transfer.reports.grad_cam_plus_plus import grad_cam_plus_plus
from keras_transfer.reports.integrated_gradients import integrated_gradients
from keras_transfer.reports.logits import logits
from keras_transfer.reports.most_exciting import most_exciting
from keras_transfer.reports.occlusion import occlusion
from keras_transfer.reports.per_class import ClassMeasures, PerClass, per_class
from keras_transfer.reports.plot_exciting import plot_exciting, plot_exciting_change
from keras_transfer.reports.plot_explanations import plot_explanations
from keras_transfer.reports.plot_stage_changes import plot_stage_changes
from keras_transfer.reports.randomization_test import randomization_test
from keras_transfer.reports.run_course import course_of
from keras_transfer.reports.run_record import Predictions, RunRecord
from keras_transfer.reports.stage_change import StageChange
from keras_transfer.reports.weight_change import weight_change
from keras_transfer.reports.write import write

__all__ = [
    "ClassMeasures",
    "ExcitingPictures",
    "PerClass",
    "Predictions",
    "RunRecord",
    "StageChange",
    "compare_stages",
    "course_of",
    "grad_cam",
    "grad_cam_plus_plus",
    "integrated_gradients",
    "logits",
    "most_exciting",
    "occlusion",
    "per_class",
    "plot_exciting",
    "plot_exciting_change",
    "plot_explanations",
    "plot_stage_changes",
    "randomization_test",
    "weight_change",
    "write",
]
