"""The source of a dataset that does not know where its pictures come from."""

import hashlib
import weakref

import numpy as np
import tensorflow as tf

from keras_transfer.data.labeled_dataset import ImageSource

# A training asks for each of its phases.
_OBSERVED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def source_of(dataset):
    """The `ImageSource` of a dataset: its own, or what one pass over it tells.

    A dataset of another make is read once. If a second look at its first batch shows the same
    pictures, it is named by a digest of its content. If it shows pictures that were there at
    another place, it is shuffled, and is named by a digest that does not depend on the order.
    Pictures that were not there are random; nothing made of them can be found again.

    Args:
        dataset: a finite `tf.data.Dataset` of batches, of pictures or of tuples that start with
            pictures.

    Raises:
        ValueError: if the dataset is empty or its elements have no pictures at the start.
    """
    source = getattr(dataset, "source", None)
    if source is not None:
        return source
    if dataset not in _OBSERVED:
        _OBSERVED[dataset] = _observe(dataset)
    return _OBSERVED[dataset]


def _observe(dataset):
    _check_elements(dataset)
    digests, batch_size = _read_through(dataset)
    again = _digests_of(next(iter(dataset)))
    if again == digests[: len(again)]:
        fingerprint, fixed_order = _joined(digests), True
    elif set(again) <= set(digests):
        fingerprint, fixed_order = _joined(sorted(digests)), False
    else:
        fingerprint, fixed_order = None, False

    return ImageSource(
        examples=lambda start=0: dataset.unbatch().skip(start),
        num_images=len(digests),
        fingerprint=fingerprint,
        batch_size=batch_size,
        shuffle=not fixed_order,
        fixed_order=fixed_order,
    )


def _check_elements(dataset):
    spec = dataset.element_spec
    images = spec[0] if isinstance(spec, tuple) else spec
    flat = tf.nest.flatten(spec)
    if not all(isinstance(part, tf.TensorSpec) for part in flat) or not isinstance(
        images, tf.TensorSpec
    ):
        raise ValueError(
            "Features are extracted from batches of pictures, `(images, labels)` or "
            f"`(images, labels, sample_weights)`. Received: element_spec={spec}"
        )


def _read_through(dataset):
    digests, batch_size = [], None
    for element in dataset:
        found = _digests_of(element)
        digests += found
        batch_size = batch_size or len(found)
    if not digests:
        raise ValueError("The dataset holds no batch. Received: an empty dataset")
    return digests, batch_size


def _digests_of(element):
    """A digest of each example of a batch: of its picture and of all that comes with it."""
    arrays = [np.ascontiguousarray(part.numpy()) for part in tf.nest.flatten(element)]
    found = []
    for row in range(len(arrays[0])):
        digest = hashlib.blake2b(digest_size=16)
        for array in arrays:
            digest.update(array[row].tobytes())
        found.append(digest.digest())
    return found


def _joined(digests):
    return hashlib.sha256(b"".join(digests)).hexdigest()
