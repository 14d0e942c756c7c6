"""What changes while it trains."""

from keras_transfer.callbacks.best_weights import BestWeights
from keras_transfer.callbacks.finite_loss import FiniteLoss
from keras_transfer.callbacks.gradual_unfreezing import GradualUnfreezing
from keras_transfer.callbacks.phase_clock import PhaseClock

__all__ = ["BestWeights", "FiniteLoss", "GradualUnfreezing", "PhaseClock"]
