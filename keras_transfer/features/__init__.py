"""Features of the frozen part of a network, computed once and kept on disk."""

from keras_transfer.features.cache_folder import NoRoomError
from keras_transfer.features.cached_features import CachedFeatures
from keras_transfer.features.engines import Engine, OpenVINOEngine, TensorFlowEngine, get_engine
from keras_transfer.features.feature_cache import FeatureCache
from keras_transfer.features.pooled import pooled_features

__all__ = [
    "CachedFeatures",
    "Engine",
    "FeatureCache",
    "NoRoomError",
    "OpenVINOEngine",
    "TensorFlowEngine",
    "get_engine",
    "pooled_features",
]
