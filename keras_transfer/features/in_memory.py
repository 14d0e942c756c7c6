"""Pictures that several networks see one after the other."""

import dataclasses
import math

import tensorflow as tf

from keras_transfer.data import LabeledDataset

_MOST_BYTES = 2**30


def in_memory(dataset, most_bytes=_MOST_BYTES):
    """The same pictures, decoded once and then kept in memory, where they are few enough.

    To decode photographs may take as long as to run a small network on them. Features of what
    comes back are those of the dataset itself: the cache has one entry for both.

    Args:
        dataset: a `LabeledDataset` of pictures that are not augmented.
        most_bytes: that the decoded pictures may take. Defaults to 1 GiB.

    Returns:
        A `LabeledDataset`; the dataset as it is where its pictures take more room, differ in
        size or from pass to pass, or come from elsewhere.
    """
    source = getattr(dataset, "source", None)
    if source is None or source.draws_differ or not source.fixed_order:
        return dataset
    examples = source.examples(0)
    spec = tf.nest.flatten(examples.element_spec)
    if not all(part.shape.is_fully_defined() for part in spec):
        return dataset
    if source.num_images * sum(map(_num_bytes, spec)) > most_bytes:
        return dataset
    kept = tf.data.Dataset.from_tensor_slices(next(iter(examples.batch(source.num_images))))
    source = dataclasses.replace(source, examples=kept.skip)
    return LabeledDataset(
        dataset, dataset.class_names, source.num_images, source,
        reduced_decoding=dataset.reduced_decoding,
    )  # fmt: skip


def _num_bytes(spec):
    return math.prod(spec.shape) * spec.dtype.size
