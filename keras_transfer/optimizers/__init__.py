"""A learning rate for each layer."""

from keras_transfer.optimizers.learning_rate_multiplier import LearningRateMultiplier
from keras_transfer.optimizers.multipliers import discriminative, layerwise_decay
from keras_transfer.optimizers.rate_tables import rate_table

__all__ = [
    "LearningRateMultiplier",
    "discriminative",
    "layerwise_decay",
    "rate_table",
]
