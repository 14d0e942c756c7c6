"""Picture files to pixels, each by the decoder that reads it rightly."""

import os

import tensorflow as tf

from keras_transfer.data.decoding import check_channels, check_image_size, orient, resize
from keras_transfer.data.pillow_decoding import decode_reduced_with_pillow, decode_with_pillow
from keras_transfer.data.reduced_decoding import decode_and_resize, finish, least_size
from keras_transfer.data.scanning import scan


def read_pictures(paths, image_size, channels=3, batch_size=32, reduced_decoding=True):
    """Reads picture files as `image_folder` does, without labels: to predict on.

    Args:
        paths: the files, in any format that `image_folder` reads.
        image_size: `(height, width)`, or one integer for both; pictures are stretched.
        channels: 3 for RGB or 1 for grey.
        batch_size: pictures in a batch.
        reduced_decoding: whether a large JPEG may be decoded at a part of its size, as
            `decode_and_resize` does it; as in training.

    Returns:
        `(dataset, readable, unreadable)`: a `tf.data.Dataset` of float32 batches of shape
        `(batch, height, width, channels)` in `[0, 255]`, or None if no file can be read; the
        paths of its pictures, in order; and a list of `(path, reason)` for the other files.
    """
    image_size = check_image_size(image_size)
    check_channels(channels)
    files = scan([os.fspath(path) for path in paths])
    readable = [file for file in files if file.reason is None]
    unreadable = [(file.path, file.reason) for file in files if file.reason is not None]
    if not readable:
        return None, [], unreadable
    all_native = all(file.native for file in readable)
    load = loader(image_size, channels, all_native, reduced_decoding)
    dataset = examples_of(readable, [0] * len(readable)).map(
        lambda *example: load(*example)[0], num_parallel_calls=tf.data.AUTOTUNE
    )
    dataset = dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)
    return dataset, [file.path for file in readable], unreadable


def examples_of(files, labels):
    """A dataset with one element for each file."""
    return tf.data.Dataset.from_tensor_slices(
        (
            [os.fsencode(file.path) for file in files],
            tf.constant(labels, "int32"),
            tf.constant([file.orientation for file in files], "int32"),
            [file.native for file in files],
        )
    )


def loader(image_size, channels, all_native, reduced_decoding):
    """The function that makes `(image, label)` of such an element."""

    def decode(path, orientation):
        contents = tf.io.read_file(path)
        return decode_and_resize(contents, image_size, channels, orientation, reduced_decoding)

    def decode_elsewhere(path, orientation):
        if reduced_decoding:
            return _reduced_elsewhere(path, image_size, channels, orientation)
        return _whole_elsewhere(path, image_size, channels, orientation)

    # Traced once for all splits.
    @tf.function(autograph=False)
    def load(path, label, orientation, native):
        # Without a call into Python the graph can be sent to other machines.
        if all_native:
            image = decode(path, orientation)
        else:
            image = tf.cond(
                native,
                lambda: decode(path, orientation),
                lambda: decode_elsewhere(path, orientation),
            )
        return tf.ensure_shape(image, (*image_size, channels)), label

    return load


def _whole_elsewhere(path, image_size, channels, orientation):
    image = tf.numpy_function(decode_with_pillow, [path], "uint8")
    image = orient(tf.ensure_shape(image, (None, None, 3)), orientation)
    return resize(tf.image.rgb_to_grayscale(image) if channels == 1 else image, image_size)


def _reduced_elsewhere(path, image_size, channels, orientation):
    image, extent = tf.numpy_function(
        decode_reduced_with_pillow,
        [path, least_size(image_size, orientation)],
        ["uint8", "float32"],
    )
    image, extent = tf.ensure_shape(image, (None, None, 3)), tf.ensure_shape(extent, (2,))
    return finish(image, extent, image_size, channels, orientation)
