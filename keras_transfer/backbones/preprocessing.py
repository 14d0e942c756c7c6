"""The preprocessing of `keras.applications` as one layer."""

import keras
from keras.applications import imagenet_utils

# Means and deviations of `keras.applications.imagenet_utils`, averaged over the colours for
# inputs that have none. "caffe" is in the units of [0, 255], "torch" of [0, 1].
CONVENTIONS = ("none", "tf", "caffe", "torch")
_CAFFE_MEAN = sum((103.939, 116.779, 123.68)) / 3
_TORCH_MEAN = sum((0.485, 0.456, 0.406)) / 3
_TORCH_STD = sum((0.229, 0.224, 0.225)) / 3


@keras.saving.register_keras_serializable(package="keras_transfer")
class Preprocessing(keras.layers.Layer):
    """Turns raw images into what a pretrained network expects.

    It computes in float32 under every dtype policy, since half precision would round pixels.

    Args:
        mode: `"tf"` scales to [-1, 1]; `"caffe"` turns RGB into BGR and subtracts the mean
            colour of ImageNet; `"torch"` scales to [0, 1] and normalises with the mean and
            deviation of each colour; `"none"` only converts to float32. For another number
            of channels than 3, "caffe" and "torch" use the mean over the colours.

    Input shape: `(batch, height, width, channels)`, uint8 or float in [0, 255].
    Output shape: the same, float32.
    """

    def __init__(self, mode="none", dtype="float32", **kwargs):
        if mode not in CONVENTIONS:
            raise ValueError(f"`mode` must be one of {CONVENTIONS}. Received: mode={mode!r}")
        super().__init__(dtype=dtype, **kwargs)
        self.mode = mode

    def call(self, images):
        images = keras.ops.cast(images, "float32")
        if self.mode == "none":
            return images
        if self.mode == "tf" or images.shape[-1] == 3:
            return imagenet_utils.preprocess_input(
                images, data_format="channels_last", mode=self.mode
            )
        if self.mode == "caffe":
            return images - _CAFFE_MEAN
        return (images / 255.0 - _TORCH_MEAN) / _TORCH_STD

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
