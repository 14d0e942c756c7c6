"""From encoded images to batches; shared by all sources."""

import dataclasses
import hashlib
import json
import os

import numpy as np
import tensorflow as tf

from keras_transfer.data.decoding import check_image_size
from keras_transfer.data.labeled_dataset import ImageSource, LabeledDataset

_CHANNELS = {"rgb": 3, "grayscale": 1}


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """The checked arguments that `image_folder` and `from_tfds` share; they explain each."""

    image_size: int | tuple[int, int]
    batch_size: int
    validation_split: float | None
    seed: int
    color_mode: str
    reduced_decoding: bool

    def __post_init__(self):
        object.__setattr__(self, "image_size", check_image_size(self.image_size))
        if self.color_mode not in _CHANNELS:
            raise ValueError(
                f"`color_mode` must be one of {sorted(_CHANNELS)}. "
                f"Received: color_mode={self.color_mode!r}"
            )
        if not _is_integer(self.batch_size) or self.batch_size < 1:
            raise ValueError(
                "`batch_size` must be a positive integer. "
                f"Received: batch_size={self.batch_size!r}"
            )
        if not _is_integer(self.seed) or self.seed < 0:
            raise ValueError(
                f"`seed` must be a non-negative integer. Received: seed={self.seed!r}"
            )
        fraction = self.validation_split
        if fraction is not None and not (
            isinstance(fraction, (int, float)) and 0 < fraction < 1
        ):
            raise ValueError(
                "`validation_split` must lie between 0 and 1, or be None to train on all "
                f"images. Received: validation_split={fraction!r}"
            )

    @property
    def channels(self):
        return _CHANNELS[self.color_mode]

    def fingerprint(self, labels, digests):
        """A string that is equal only for equal images, labels, order, size and decoding."""
        content = [
            list(map(int, labels)),
            list(digests),
            list(self.image_size),
            self.channels,
        ]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return digest + ("-reduced" if self.reduced_decoding else "")

    def dataset(
        self, examples, load, class_names, num_images, fingerprint, shuffle_buffer=None
    ):
        """A `LabeledDataset` of batches.

        `examples` is a function from the index of the first example to a dataset of encoded
        examples, `load` one from an example to `(image, label)`. Each epoch shuffles
        `shuffle_buffer` encoded examples; None keeps the order. As everywhere in TensorFlow,
        the order of an epoch follows from the seed and the global seed of
        `keras.utils.set_random_seed`.
        """

        def loaded(start=0):
            # One per core: more would only hold more images in memory.
            return examples(start).map(
                load, num_parallel_calls=os.cpu_count(), deterministic=True
            )

        source = ImageSource(
            loaded,
            num_images,
            fingerprint,
            self.batch_size,
            shuffle=shuffle_buffer is not None,
            seed=self.seed,
        )
        dataset = examples(0)
        if shuffle_buffer is not None:
            dataset = dataset.shuffle(
                min(num_images, shuffle_buffer), self.seed, reshuffle_each_iteration=True
            )
        dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        dataset = dataset.batch(self.batch_size).prefetch(tf.data.AUTOTUNE)
        return LabeledDataset(
            dataset, class_names, num_images, source, reduced_decoding=self.reduced_decoding
        )


def mixed_order(num_images):
    """A fixed random order: neighbors belong to all classes, as in a shuffled epoch."""
    return np.random.default_rng(0).permutation(num_images)


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)
