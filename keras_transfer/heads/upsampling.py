"""The layer that enlarges features to another resolution."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_transfer")
class UpsampleTo(keras.layers.Layer):
    """Enlarges images to the size of a reference: by a whole factor, then cropped.

    Strided convolutions round an odd size up. The pixel of a feature then lies at a multiple of
    the stride, and the last ones beyond the edge of the image: cropping keeps all others in
    place, and stretching would shift them. Networks that round down (without padding) are
    stretched.

    Args:
        size: `(height, width)`. Defaults to None: a second argument of the call, features or
            images, has the size.
        **kwargs: as for `keras.layers.Layer`.
    """

    def __init__(self, size: tuple[int, int] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.size = None if size is None else tuple(size)

    def call(self, images, reference=None):
        size = self.size or _size_of(reference)
        whole = self.enlarged_size(_size_of(images), size)
        # XLA compiles no gradient of this in half precision.
        enlarged = tf.image.resize(tf.cast(images, "float32"), whole)
        enlarged = tf.cast(enlarged, self.compute_dtype)
        shape = self.compute_output_shape(images.shape, getattr(reference, "shape", None))
        return tf.ensure_shape(enlarged[:, : size[0], : size[1]], shape)

    @staticmethod
    def enlarged_size(size, wanted):
        """The size before it is cropped: at each side the nearest multiple, or more."""
        return tuple(_multiple(*pair) for pair in zip(size, wanted, strict=True))

    def compute_output_shape(self, images_shape, reference_shape=None):
        height, width = self.size or reference_shape[1:3]
        return (images_shape[0], height, width, images_shape[-1])

    def get_config(self):
        return {**super().get_config(), "size": self.size}


def _size_of(images):
    known, found = images.shape[1:3], tf.shape(images)
    return [found[axis] if known[axis - 1] is None else int(known[axis - 1]) for axis in (1, 2)]


def _multiple(side, wanted):
    """The multiple of a side that is nearest to the wanted one, or that one if it is larger."""
    if isinstance(side, int) and isinstance(wanted, int):
        return max(side * max(1, round(wanted / side)), wanted)
    factor = tf.maximum(1, tf.cast(tf.round(wanted / side), "int32"))
    return tf.maximum(side * factor, wanted)
