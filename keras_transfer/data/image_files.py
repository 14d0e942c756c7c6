"""Image files to pixels, each by a decoder that reads it correctly.

`scan` decides once for each file: TensorFlow decodes it where it agrees with Pillow ("native"),
Pillow decodes the rest.
"""

import io
import os

import numpy as np
import tensorflow as tf

from keras_transfer.data.changed_files import unchanged
from keras_transfer.data.decoding import (
    check_channels,
    check_image_size,
    decode_and_resize,
    least_size,
    resize_decoded,
)
from keras_transfer.data.labeled_dataset import IMAGES, without_autotuning
from keras_transfer.data.opened_files import is_large, open_file
from keras_transfer.data.scanning import in_mode, scan


def read_images(
    paths, image_size, channels=3, batch_size=32, reduced_decoding=True, value_range=None,
    rows=None,
):  # fmt: skip
    """Reads image files without labels, with the same pixels as `image_folder`.

    `rows` is a function from the places of the readable paths to the further inputs of these
    images, a dict of name to array; None for images alone.

    Returns:
        `(dataset, readable, unreadable)`: a `tf.data.Dataset` of float32 batches of shape
        `(batch, height, width, channels)` in `[0, 255]`, or None if no file can be read; the
        paths of its images in order; and a list of `(path, reason)` for the other files.

    Example:
        >>> dataset, readable, unreadable = read_images(["photos/absent.jpg"], 160)
        >>> unreadable[0][0]
        'photos/absent.jpg'
    """
    image_size = check_image_size(image_size)
    check_channels(channels)
    files = scan([os.fspath(path) for path in paths], value_range)
    readable = [file for file in files if file.reason is None]
    unreadable = [(file.path, file.reason) for file in files if file.reason is not None]
    if not readable:
        return None, [], unreadable
    load = make_loader(image_size, channels, readable, reduced_decoding, value_range)
    kept = [place for place, file in enumerate(files) if file.reason is None]
    row = None if rows is None else rows(kept)
    dataset = examples_of(readable, np.zeros(len(readable), "int32"), row).map(
        lambda *example: load(*example)[0], num_parallel_calls=os.cpu_count()
    )
    dataset = without_autotuning(dataset.batch(batch_size).prefetch(2))
    return dataset, [file.path for file in readable], unreadable


def examples_of(files, labels, row=None):
    """A dataset with one element for each `ScannedFile`, which a loader turns into pixels.

    Args:
        files: a list of `ScannedFile`.
        labels: an array with a row or a number for each, or a tuple of arrays.
        row: further inputs of each image, a dict of name to array; None for images alone.
    """
    return tf.data.Dataset.from_tensor_slices(
        (
            [os.fsencode(file.path) for file in files],
            tf.nest.map_structure(tf.constant, labels),
            tf.constant([file.orientation for file in files], "int32"),
            [bool(file.native) for file in files],
            tf.constant([file.fingerprint for file in files], "int64"),
            *([] if row is None else [row]),
        )
    )


def make_loader(image_size, channels, files, reduced_decoding, value_range=None, target=None):
    """The function from an element of `examples_of(files, ...)` to `(image, label)`.

    With a row, a dict of the image and the row is in the place of the image. `target` is a
    function of the label, or None.
    """
    # Without a call into Python, the graph can be sent to other machines.
    all_native = all(file.native for file in files)
    formats = {file.native for file in files if file.native}
    is_jpeg = formats == {"JPEG"} if len(formats) == 1 else None

    def with_tensorflow(contents, orientation):
        return decode_and_resize(
            contents, image_size, channels, orientation, reduced_decoding, value_range, is_jpeg
        )

    def pillow(contents, least):
        return decode_with_pillow(io.BytesIO(contents), least, reduced_decoding, value_range)

    def with_pillow(contents, orientation):
        least = least_size(image_size, orientation)
        pixels, extent = tf.numpy_function(pillow, [contents, least], ["uint8", "float32"])
        pixels, extent = tf.ensure_shape(pixels, (None, None, 3)), tf.ensure_shape(extent, (2,))
        return resize_decoded(pixels, extent, image_size, channels, orientation)

    # Traced once for all splits.
    @tf.function(autograph=False)
    def load(path, label, orientation, native, fingerprint, row=None):
        contents = unchanged(tf.io.read_file(path), path, fingerprint)
        if all_native:
            image = with_tensorflow(contents, orientation)
        else:
            image = tf.cond(
                native,
                lambda: with_tensorflow(contents, orientation),
                lambda: with_pillow(contents, orientation),
            )
        found = label if target is None else target(label)
        image = tf.ensure_shape(image, (*image_size, channels))
        return image if row is None else {IMAGES: image, **row}, found

    return load


def decode_with_pillow(source, least_size=None, is_reduced=True, value_range=None):
    """The RGB pixels of an image by Pillow, not rotated, and its extent in them.

    `source` is a path or an open file. A JPEG is decoded at the largest of TensorFlow's ratios
    that leaves `least_size`, the whole by default; without `is_reduced` only one that is too
    large to be decoded as a whole. The extent, `(height, width)` in decoded pixels, may end
    within a pixel.
    """
    with open_file(source) as image:
        drafted = None
        if least_size is not None and (is_reduced or is_large(image)):
            height, width = map(int, least_size)
            # Has an effect on JPEGs only, and finds the same ratio as `decode_and_resize`.
            drafted = image.draft(image.mode, (width, height))
        image.load()
        extent = image.size if drafted is None else drafted[1][2:]
        pixels = np.asarray(in_mode(image, "RGB", value_range))
        return pixels, np.array(extent[::-1], dtype="float32")
