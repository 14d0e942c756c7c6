"""What an operator of ONNX reads."""

import numpy as np
from keras import ops

# Axes of `(batch, channels, height, width)` in `(batch, height, width, channels)`.
MOVED_AXES = (0, 3, 1, 2)


class Images:
    """A tensor `(batch, channels, height, width)` of ONNX, kept with its channels last."""

    def __init__(self, tensor):
        self.tensor = tensor


class Operator:
    """One node: its attributes and its inputs, and the name of the layer that it becomes.

    An input is an array (a constant), `Images`, another tensor of Keras, or None.
    """

    def __init__(self, kind, name, attributes, inputs):
        self.kind, self.name, self.inputs = kind, name, inputs
        self.attributes = attributes

    def value(self, name, index=None, default=None):
        """An attribute that newer versions of the operator have as a constant input."""
        if index is not None and index < len(self.inputs) and self.inputs[index] is not None:
            return self.constant(index)
        return self.attributes.get(name, default)

    def constant(self, index):
        """A constant input."""
        found = self.inputs[index]
        if not isinstance(found, np.ndarray):
            raise ValueError(f"input {index} is computed, it must be a constant")
        return found

    def images(self, index=0):
        """An input as a tensor with its channels last."""
        found = self.inputs[index]
        if isinstance(found, Images):
            return found.tensor
        if isinstance(found, np.ndarray) or len(found.shape) != 4:
            raise ValueError("it is supported for images only")
        return ops.transpose(found, (0, 2, 3, 1))

    def plain(self, index=0):
        """An input with its axes in the order of ONNX."""
        found = self.inputs[index]
        return ops.transpose(found.tensor, MOVED_AXES) if isinstance(found, Images) else found
