"""The way out: a folder for TensorFlow Serving, or one file for LiteRT or ONNX Runtime."""

from keras_transfer.serving.export import export
from keras_transfer.serving.export_file import export_file

__all__ = ["export", "export_file"]
