"""Images whose three classes differ in brightness."""

import numpy as np
import tensorflow as tf

LABELS = np.arange(60) % 3
IMAGES = (
    np.random.default_rng(0).uniform(0, 90, (60, 16, 16, 3)) + 60 * LABELS[:, None, None, None]
).astype("float32")


def dataset(*labels):
    """The images in batches, with or without labels."""
    return tf.data.Dataset.from_tensor_slices((IMAGES, *labels)).batch(16)
