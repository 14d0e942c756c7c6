"""What a network has learned."""

from keras_transfer.explanations.channel_excitation import most_exciting
from keras_transfer.explanations.excitation_figure import plot_exciting, plot_exciting_change
from keras_transfer.explanations.exciting_pictures import ExcitingPictures
from keras_transfer.explanations.explanation_figure import plot_explanations
from keras_transfer.explanations.grad_cams import grad_cam
from keras_transfer.explanations.grad_cams_plus_plus import grad_cam_plus_plus
from keras_transfer.explanations.occlusions import occlusion
from keras_transfer.explanations.path_gradients import integrated_gradients
from keras_transfer.explanations.sanity_checks import randomization_test
from keras_transfer.explanations.stage_change import StageChange
from keras_transfer.explanations.stage_change_figure import plot_stage_changes
from keras_transfer.explanations.stage_comparison import compare_stages
from keras_transfer.explanations.weight_changes import weight_change

__all__ = [
    "ExcitingPictures",
    "StageChange",
    "compare_stages",
    "grad_cam",
    "grad_cam_plus_plus",
    "integrated_gradients",
    "most_exciting",
    "occlusion",
    "plot_exciting",
    "plot_exciting_change",
    "plot_explanations",
    "plot_stage_changes",
    "randomization_test",
    "weight_change",
]
