"""The way out: export for TensorFlow Serving."""

from keras_transfer.serving.export import export

__all__ = ["export"]
