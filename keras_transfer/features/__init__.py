"""Frozen work done once: the features of the frozen prefix, kept on disk."""

from keras_transfer.features.cache_folder import NoRoomError
from keras_transfer.features.cached_features import CachedFeatures
from keras_transfer.features.engine import Engine
from keras_transfer.features.engines import get_engine
from keras_transfer.features.feature_cache import FeatureCache
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.openvino_engine import OpenVINOEngine
from keras_transfer.features.tensorflow_engine import TensorFlowEngine

__all__ = [
    "CachedFeatures",
    "Engine",
    "FeatureCache",
    "NoRoomError",
    "OpenVINOEngine",
    "TensorFlowEngine",
    "get_engine",
    "source_of",
]
