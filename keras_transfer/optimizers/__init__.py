"""A learning rate for each layer."""

from keras_transfer.optimizers.learning_rate_multiplier import LearningRateMultiplier
from keras_transfer.optimizers.multipliers import layerwise_decay

__all__ = ["LearningRateMultiplier", "layerwise_decay"]
