"""Where it runs."""

from keras_transfer.distribution.strategies import get_strategy

__all__ = ["get_strategy"]
