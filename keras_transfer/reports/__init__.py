"""What is seen after a training: what a model learned, and whether it can be trusted."""

from keras_transfer.reports.grad_cam import grad_cam
from keras_transfer.reports.grad_cam_plus_plus import grad_cam_plus_plus
from keras_transfer.reports.integrated_gradients import integrated_gradients
from keras_transfer.reports.logits import logits
from keras_transfer.reports.occlusion import occlusion

__all__ = [
    "grad_cam",
    "grad_cam_plus_plus",
    "integrated_gradients",
    "logits",
    "occlusion",
]
