"""Where it runs."""

from keras_transfer.distribution.precision import mixed_precision_policy
from keras_transfer.distribution.scaling import scaled_learning_rate
from keras_transfer.distribution.strategies import get_strategy

__all__ = ["get_strategy", "mixed_precision_policy", "scaled_learning_rate"]
