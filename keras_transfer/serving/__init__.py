"""Export: a folder for TensorFlow Serving, or a file for LiteRT or ONNX Runtime."""

from keras_transfer.serving.exporter import export
from keras_transfer.serving.file_export import export_file

__all__ = ["export", "export_file"]
