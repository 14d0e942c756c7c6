"""The version, apart from everything that imports TensorFlow."""

__version__ = "0.1.0"
