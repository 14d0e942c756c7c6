"""What changes, and what is recorded, while a model trains."""

from keras_transfer.callbacks.best_weights import BestWeights
from keras_transfer.callbacks.finite_loss import FiniteLoss
from keras_transfer.callbacks.gradual_unfreezing import GradualUnfreezing

__all__ = ["BestWeights", "FiniteLoss", "GradualUnfreezing"]
