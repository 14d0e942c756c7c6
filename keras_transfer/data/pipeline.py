"""From encoded pictures to batches; shared by every source."""

import hashlib
import json
import os

import numpy as np
import tensorflow as tf

from keras_transfer.data.labeled_dataset import LabeledDataset

_CHANNELS = {"rgb": 3, "grayscale": 1}


def channels_of(color_mode):
    """3 for "rgb", 1 for "grayscale"."""
    if color_mode not in _CHANNELS:
        raise ValueError(
            f"`color_mode` must be one of {sorted(_CHANNELS)}. "
            f"Received: color_mode={color_mode!r}"
        )
    return _CHANNELS[color_mode]


def check_batches(batch_size, seed):
    """Raises unless `batch_size` is a positive and `seed` a non-negative integer."""
    if not _is_integer(batch_size) or batch_size < 1:
        raise ValueError(
            f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}"
        )
    if not _is_integer(seed) or seed < 0:
        raise ValueError(f"`seed` must be a non-negative integer. Received: seed={seed!r}")


def check_validation_split(validation_split):
    """Raises unless `validation_split` is None or lies between 0 and 1."""
    if validation_split is None:
        return
    if not isinstance(validation_split, (int, float)) or not 0 < validation_split < 1:
        raise ValueError(
            "`validation_split` must lie between 0 and 1, or be None to train on everything. "
            f"Received: validation_split={validation_split!r}"
        )


def shuffled(examples, num_images, seed, buffer_size=None):
    """`examples` in another order in each epoch; the same orders for the same seeds.

    As everywhere in TensorFlow, the orders follow from `seed` and from the global seed of
    `keras.utils.set_random_seed`.
    """
    return examples.shuffle(
        min(num_images, buffer_size or num_images), seed=seed, reshuffle_each_iteration=True
    )


def batched(examples, load, class_names, source, reduced_decoding):
    """A `LabeledDataset` of batches; `load` makes `(image, label)` of one example."""
    dataset = examples.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(source.batch_size).prefetch(tf.data.AUTOTUNE)
    return LabeledDataset(
        dataset, class_names, source.num_images, source, reduced_decoding=reduced_decoding
    )


def mixed_order(num_images):
    """A fixed random order: neighbours in it are of all classes, as in a shuffled epoch."""
    return np.random.default_rng(0).permutation(num_images)


def loaded_from(examples, load):
    """An `ImageSource.examples`: `examples(start)` gives what `load` turns into pairs."""

    def pairs(start=0):
        # As many at once as there are cores: more would only hold more pictures in memory.
        return examples(start).map(load, num_parallel_calls=os.cpu_count(), deterministic=True)

    return pairs


def fingerprint(labels, digests, image_size, channels):
    """A string for these pictures, labels, order and size; equal only for equal ones."""
    content = [list(map(int, labels)), list(digests), list(image_size), channels]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)
