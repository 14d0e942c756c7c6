"""Decoded images in memory, for the next extraction of the same images."""

import contextlib
import math

import tensorflow as tf

from keras_transfer._python_functions import from_generator
from keras_transfer.features.shard_store import BATCH_SIZE

_MOST_BYTES = 2**30


class DecodedImages:
    """The first images of each source that was read within `kept`.

    Decoding photographs can take as long as running a small network on them, and each network,
    or each phase of a training, has features of its own.

    Args:
        most_bytes: the memory that all images may take.
    """

    def __init__(self, most_bytes=_MOST_BYTES):
        self._most_bytes, self._free = most_bytes, 0
        self._batches: dict[str, list] = {}

    @contextlib.contextmanager
    def kept(self):
        """Keeps what is decoded within this context, until `drop` is called."""
        self._free = self._most_bytes
        try:
            yield
        finally:
            self.drop()

    def drop(self):
        """Frees the memory, and keeps nothing from now on."""
        self._batches.clear()
        self._free = 0

    def in_batches(self, source, start, stop):
        """The images from `start`, a multiple of `BATCH_SIZE`, to `stop`, before augmentation.

        Those in memory are not decoded again.
        """
        batches = self._batches.get(source.fingerprint, [])[start // BATCH_SIZE :]
        batches = batches[: math.ceil((stop - start) / BATCH_SIZE)]
        reached = min(start + len(batches) * BATCH_SIZE, source.num_images)
        if not batches:
            return _decoded(source, start, stop)
        if reached >= stop:
            return _dataset_of(
                [*batches[:-1], _first(batches[-1], (stop - start) % BATCH_SIZE)]
            )
        return _dataset_of(batches).concatenate(_decoded(source, reached, stop))

    def noted(self, source, start, elements):
        """Yields the batches of a pass over a source from `start` on, and keeps them."""
        for number, element in enumerate(elements):
            self._keep(source, start + number * BATCH_SIZE, element)
            yield element

    def _keep(self, source, place, element):
        if source.augmentation is not None or not source.can_be_found or not source.fixed_order:
            return
        size = sum(part.dtype.size * math.prod(part.shape) for part in tf.nest.flatten(element))
        batches = self._batches.setdefault(source.fingerprint, [])
        if size <= self._free and place == len(batches) * BATCH_SIZE:
            batches.append(element)
            self._free -= size


def _decoded(source, start, stop):
    return source.examples(start).take(stop - start).batch(BATCH_SIZE)


def _dataset_of(batches):
    spec = tf.nest.map_structure(
        lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), batches[0]
    )
    return from_generator(lambda: iter(batches), spec)


def _first(batch, number):
    """The first rows of a batch; all for 0."""
    return tf.nest.map_structure(lambda part: part[: number or None], batch)
