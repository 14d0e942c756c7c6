"""Where it runs."""

from keras_transfer.distribution.precision import mixed_precision_policy
from keras_transfer.distribution.scaling import scaled_learning_rate
from keras_transfer.distribution.strategies import get_strategy
from keras_transfer.distribution.workers import all_agree, has_workers, is_chief

__all__ = [
    "all_agree",
    "get_strategy",
    "has_workers",
    "is_chief",
    "mixed_precision_policy",
    "scaled_learning_rate",
]
