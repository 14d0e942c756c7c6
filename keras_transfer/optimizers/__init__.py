"""How fast each layer moves."""

from keras_transfer.optimizers.learning_rate_multiplier import LearningRateMultiplier
from keras_transfer.optimizers.multipliers import discriminative, layerwise_decay
from keras_transfer.optimizers.rate_tables import rate_table
from keras_transfer.optimizers.slot_carry_over import carry_over

__all__ = [
    "LearningRateMultiplier",
    "carry_over",
    "discriminative",
    "layerwise_decay",
    "rate_table",
]
