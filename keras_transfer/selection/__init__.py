"""What is asked before a training: which network, how much of it, whether data are sound."""

from keras_transfer.selection.pooled_features import (
    PooledFeatures,
    pooled_features,
    stage_features,
)

__all__ = ["PooledFeatures", "pooled_features", "stage_features"]
