"""What a network has learned: attribution maps, channels, and stages before and after."""

from keras_transfer.explanations.attributions import integrated_gradients, occlusion
from keras_transfer.explanations.channel_excitation import most_exciting
from keras_transfer.explanations.figures import plot_exciting, plot_explanations
from keras_transfer.explanations.grad_cams import grad_cam
from keras_transfer.explanations.sanity_checks import randomization_test
from keras_transfer.explanations.stage_changes import compare_stages

__all__ = [
    "compare_stages",
    "grad_cam",
    "integrated_gradients",
    "most_exciting",
    "occlusion",
    "plot_exciting",
    "plot_explanations",
    "randomization_test",
]
