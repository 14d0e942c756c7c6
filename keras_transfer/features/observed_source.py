"""The `ImageSource` of a dataset that has none."""

import hashlib
import itertools
import weakref

import numpy as np
import tensorflow as tf

from keras_transfer.data.labeled_dataset import ImageSource
from keras_transfer.features.pure_datasets import is_pure, is_shuffled

# Each phase of a training asks again. A value that held its dataset would keep it alive.
_OBSERVED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def source_of(dataset):
    """The `ImageSource` of a dataset: its own, or one that is found by reading it.

    A digest of the content identifies the dataset. If it is shuffled, the digest ignores the
    order. Features of it are found again only if it consists of tensors and of operations that
    always give the same. Any other dataset may depend on files, Python code or chance. It is
    read twice: if the second pass holds other images, the dataset has no fingerprint. Raises
    `ValueError` if the dataset is empty or its elements do not start with images.
    """
    source = getattr(dataset, "source", None)
    if source is not None:
        return source
    if dataset not in _OBSERVED:
        _OBSERVED[dataset] = _observe(dataset)
    return ImageSource(
        examples=lambda start=0: dataset.unbatch().skip(start), **_OBSERVED[dataset]
    )


def _observe(dataset):
    """The attributes of the `ImageSource`, all but `examples`."""
    spec = dataset.element_spec
    if not all(isinstance(part, tf.TensorSpec) for part in tf.nest.flatten(spec)):
        raise ValueError(
            "Features are extracted from batches of images, `(images, labels)` or "
            f"`(images, labels, sample_weights)`. Received: element_spec={spec}"
        )
    digests_of_batches = [_digests(element) for element in dataset]
    digests = list(itertools.chain(*digests_of_batches))
    if not digests:
        raise ValueError("The dataset holds no batch. Received: an empty dataset")
    reproducible = is_pure(dataset)
    if reproducible:
        is_random, fixed_order = False, not is_shuffled(dataset)
    else:
        again = list(itertools.chain(*map(_digests, dataset)))
        is_random, fixed_order = sorted(again) != sorted(digests), again == digests
    structure = repr(tf.nest.map_structure(lambda part: part.dtype.name, spec))
    content = b"".join([structure.encode(), *(digests if fixed_order else sorted(digests))])
    return {
        "num_images": len(digests),
        "fingerprint": None if is_random else hashlib.sha256(content).hexdigest(),
        "batch_size": len(digests_of_batches[0]),
        "shuffle": not fixed_order,
        "fixed_order": fixed_order,
        "is_reproducible": reproducible,
    }


def _digests(element):
    """A digest of each example of a batch: of its image and everything that comes with it."""
    arrays = [np.ascontiguousarray(part.numpy()) for part in tf.nest.flatten(element)]
    found = []
    for row in range(len(arrays[0])):
        digest = hashlib.blake2b(digest_size=16)
        for array in arrays:
            # Arrays of other shapes may have the same bytes.
            digest.update(f"{array.dtype}{array.shape[1:]}".encode())
            digest.update(_bytes_of_row(array, row))
        found.append(digest.digest())
    return found


def _bytes_of_row(array, row):
    # The memory of an array of strings holds addresses.
    return repr(array[row]).encode() if array.dtype.hasobject else array[row].tobytes()
