"""A few images for the comparison of an export, and as warm-up requests."""

import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_transfer.data.decoding import decode_image
from keras_transfer.data.labeled_dataset import IMAGE_BYTES, IMAGES

# One batch for the model; TensorFlow Serving refuses more than 1000 warm-up requests.
MAX_EXAMPLES = 32


def example_inputs(given, signatures):
    """A batch of inputs, as the `serving_default` signature takes them: a dict by name.

    Args:
        given: paths of encoded images, or a dict of name to array; None for two rows of noise.
        signatures: the `Signatures` of the export.

    Raises:
        ValueError: if `given` is no list of paths, is empty, names a file that is not an image,
            or lacks an input.
        OSError: if a file cannot be read.
    """
    specs = signatures.served_specs
    if given is None:
        random = np.random.default_rng(0)
        return {name: _noise(spec, signatures, random) for name, spec in specs.items()}
    if isinstance(given, dict):
        given = {signatures.arguments.get(name, name): rows for name, rows in given.items()}
        if set(given) != set(specs):
            raise ValueError(
                f"`examples` must hold the inputs {sorted(specs)}. "
                f"Received: examples with {sorted(given)}"
            )
        return {
            name: tf.constant(list(given[name])[:MAX_EXAMPLES], spec.dtype)
            for name, spec in specs.items()
        }
    if isinstance(given, str | bytes | os.PathLike) or not len(given):
        raise ValueError(f"`examples` must be a list of paths. Received: examples={given!r}")
    if list(specs) != [IMAGE_BYTES]:
        raise ValueError(
            f"The model takes {sorted(specs)}, not files of images alone: pass a dict of these "
            f"as `examples`, or leave it out. Received: examples={given!r}"
        )
    return {
        IMAGE_BYTES: tf.constant(
            [_read(path, signatures) for path in list(given)[:MAX_EXAMPLES]]
        )
    }


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


def _noise(spec, signatures, random):
    """Two rows for an input: images, words or numbers."""
    if spec.name in (IMAGES, IMAGE_BYTES) and signatures.takes_images:
        shape = (2, *signatures.image_shape[1:])
        noise = random.integers(0, 256, shape, dtype="uint8")
        if spec.name == IMAGES:
            return tf.constant(noise, dtype="float32")
        return tf.stack([tf.io.encode_png(image) for image in noise])
    shape = [2, *(1 if size is None else size for size in spec.shape[1:])]
    if spec.dtype == tf.string:
        return tf.fill(shape, "some words")
    return tf.cast(tf.constant(random.uniform(0, 2, shape)), spec.dtype)
