"""From encoded images to batches; shared by all sources."""

import dataclasses
import hashlib
import json
import os
import warnings

import numpy as np

from keras_transfer.data.decoding import check_image_size
from keras_transfer.data.image_splits import (
    DataWarning,
    ImageSplits,
    check_splits,
    common_folder,
    label_array,
)
from keras_transfer.data.labeled_dataset import (
    ImageSource,
    LabeledDataset,
    without_autotuning,
)

_CHANNELS = {"rgb": 3, "grayscale": 1}
# Tasks whose labels are numbers for the whole image.
_OF_IMAGES = ("classes", "labels", "numbers")


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """The checked arguments that `image_folder` and `from_tfds` share; they explain each."""

    image_size: int | tuple[int, int]
    batch_size: int
    validation_split: float | None
    seed: int
    color_mode: str
    reduced_decoding: bool
    value_range: float | None = None

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
        if self.value_range is not None and not (
            isinstance(self.value_range, (int, float)) and 0 < self.value_range < float("inf")
        ):
            raise ValueError(
                "`value_range` must be a positive number, the value that is white, or None. "
                f"Received: value_range={self.value_range!r}"
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

    def _fingerprint(self, labels, digests, task, row):
        """A string that is equal only for equal images, labels, order, size and decoding."""
        content = [
            label_array(labels).tolist() if task in _OF_IMAGES else labels,
            list(digests), list(self.image_size), self.channels,
            *([{name: values.tolist() for name, values in row.items()}] if row else []),
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        scaled = "" if self.value_range is None else f"-to-{float(self.value_range)!r}"
        return digest + ("-reduced" if self.reduced_decoding else "") + scaled

    def splits(
        self,
        class_names,
        labels,
        digests,
        places,
        examples,
        load,
        shuffle_buffer,
        mixes=False,
        messages=(),
        stacklevel=3,
        task="classes",
        is_trained_on=True,
        **files,
    ):
        """The `ImageSplits` of encoded examples, after it has raised the warnings about them.

        Args:
            class_names: names of the classes.
            labels: dict from split to the label of each image; digests and places as in
                `check_splits`.
            examples: function from a split, whether its images are in `mixed_order`, and the
                index of the first example to a `tf.data.Dataset` of encoded examples.
            load: function from an example to `(image, label)`.
            shuffle_buffer: number of encoded training examples that each epoch shuffles; 0
                keeps the order. As everywhere in TensorFlow, the order of an epoch follows from
                the seed and the global seed of `keras.utils.set_random_seed`.
            mixes: whether the shuffled training images are in `mixed_order`.
            messages: of further warnings.
            task: what the labels are, as in `ImageSplits`.
            stacklevel: of the warnings, as `warnings.warn` counts.
            is_trained_on: as in `check_splits`.
            **files: `paths`, `unreadable`, `excluded`, `groups`, `kind` and `columns` of the
                `ImageSplits`.
        """
        checked = check_splits(
            labels, digests, places, class_names, task=task, is_trained_on=is_trained_on
        )
        messages = [*messages, *checked]
        for message in messages:
            warnings.warn(message, DataWarning, stacklevel=stacklevel)
        columns = files.get("columns", {})
        fingerprints = {
            split: self._fingerprint(labels[split], digests[split], task, columns.get(split))
            for split in labels
        }

        def dataset(split, shuffle_buffer=0):
            if split not in labels:
                return None
            is_mixed, size = bool(shuffle_buffer) and mixes, len(labels[split])
            groups = files.get("groups", {}).get(split)
            if groups and is_mixed:
                groups = tuple(groups[index] for index in mixed_order(size))

            def loaded(start=0):
                # One per core: more would only hold more images in memory.
                return examples(split, is_mixed, start).map(
                    load, num_parallel_calls=os.cpu_count(), deterministic=True
                )

            source = ImageSource(
                loaded,
                size,
                fingerprints[split] + ("-mixed" if is_mixed else ""),
                self.batch_size,
                shuffle=bool(shuffle_buffer),
                seed=self.seed,
                name=common_folder(files.get("paths", {}).get(split, ())),
                in_random_order=bool(shuffle_buffer),  # mixed here, or by who wrote the records
                groups=groups,
            )
            found = examples(split, is_mixed, 0)
            if shuffle_buffer:
                found = found.shuffle(
                    min(size, shuffle_buffer), self.seed, reshuffle_each_iteration=True
                )
            found = found.map(load, num_parallel_calls=os.cpu_count(), deterministic=True)
            found = without_autotuning(found.batch(self.batch_size).prefetch(2))
            return LabeledDataset(
                found, class_names, size, source, reduced_decoding=self.reduced_decoding,
                value_range=self.value_range,
            )  # fmt: skip

        return ImageSplits(
            train=dataset("train", shuffle_buffer),
            validation=dataset("validation"),
            test=dataset("test"),
            train_in_order=dataset("train"),
            class_names=class_names,
            task=task,
            labels={split: tuple(labels[split]) for split in labels},
            fingerprints=fingerprints,
            warnings=tuple(messages),
            **files,
        )


def mixed_order(num_images):
    """A fixed random order: neighbors belong to all classes, as in a shuffled epoch."""
    return np.random.default_rng(0).permutation(num_images)


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)
