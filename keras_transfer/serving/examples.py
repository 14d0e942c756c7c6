"""A few images for the comparison of an export, and as warm-up requests."""

import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_transfer.data.decoding import decode_image

# One batch for the model; TensorFlow Serving refuses more than 1000 warm-up requests.
MAX_EXAMPLES = 32


def example_inputs(paths, signatures):
    """A batch of images, as the `serving_default` signature takes them.

    Args:
        paths: paths of encoded images; None for two images of noise.
        signatures: the `Signatures` of the export.

    Returns:
        The bytes of the files, a string tensor of shape `(batch,)`; an array of shape `(batch,
        height, width, channels)` if the model cannot take encoded images.

    Raises:
        ValueError: if `paths` is not a list of paths, is empty, or names a file that is not
            an image.
        OSError: if a file cannot be read.
    """
    if paths is None:
        return _noise(signatures)
    if isinstance(paths, str | bytes | os.PathLike) or not len(paths):
        raise ValueError(f"`examples` must be a list of paths. Received: examples={paths!r}")
    if not signatures.takes_bytes:
        raise ValueError(
            f"Files hold no images of {signatures.channels} channels: leave out `examples`. "
            f"Received: examples={paths!r}"
        )
    return tf.constant([_read(path, signatures) for path in list(paths)[:MAX_EXAMPLES]])


def _read(path, signatures):
    contents = pathlib.Path(path).read_bytes()
    try:
        decode_image(tf.constant(contents), signatures.channels)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"TensorFlow cannot decode the example '{path}': is it a whole JPEG, PNG, GIF or "
            f"BMP file? {error.message}"
        ) from error
    return contents


def _noise(signatures):
    shape = (2, *signatures.image_shape[1:])
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    if not signatures.takes_bytes:
        return tf.constant(noise, dtype="float32")
    return tf.stack([tf.io.encode_png(image) for image in noise])
