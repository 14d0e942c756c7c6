"""Datasets of the rows of shards, from memory or from disk."""

import numpy as np
import tensorflow as tf

from keras_transfer._python_functions import from_generator

# Shuffled reading from disk: a window holds blocks of neighbouring rows from anywhere in the
# data, and is shuffled as a whole.
_WINDOW_BYTES = 2**25
_BLOCK_ROWS = 64
# For functions without control flow, which AutoGraph would translate all the same.
plain = tf.autograph.experimental.do_not_convert


class Epochs:
    """Seeds the random numbers of each epoch by a seed and the number of the epoch.

    `begun` counts the epochs that have begun; set it to continue from there.
    """

    def __init__(self, seed):
        self.seed = seed
        self.begun = 0

    def next(self):
        """The random generator of the next epoch."""
        self.begun += 1
        return np.random.default_rng([self.seed, self.begun])


def load(readers):
    """All rows of all views in memory, one view after the other: a list of tensors."""
    views = [reader.rows(0, reader.store.num_rows) for reader in readers]
    with tf.device("CPU:0"):  # where datasets run: a GPU's memory is for the network
        return [tf.constant(one) for one in (_concatenated(views) if views[1:] else views[0])]


def from_memory(arrays, num_views, epochs, batch_size, shuffle, pack):
    """A dataset of batches of the rows that `load` returned.

    Args:
        arrays: what `load` returned.
        num_views: the number of views.
        epochs: the `Epochs`.
        batch_size: rows per batch.
        shuffle: whether each epoch has its own order.
        pack: makes an element of the dataset from a batch of rows of each array.
    """
    if num_views == 1 and not shuffle:
        # TensorFlow prepares a function of a dataset anew in each pass, for 10 ms.
        with tf.device("CPU:0"):
            return tf.data.Dataset.from_tensor_slices(pack(*arrays)).batch(batch_size)
    num_rows = len(arrays[0]) // num_views

    def order():
        random = epochs.next()
        rows = np.arange(num_rows)
        if shuffle:
            random.shuffle(rows)
        if num_views > 1:
            rows += random.integers(num_views, size=num_rows) * num_rows
        yield rows

    indices = from_generator(order, tf.TensorSpec((num_rows,), "int64"))
    return (
        indices.flat_map(tf.data.Dataset.from_tensor_slices)
        .batch(batch_size)
        .map(plain(lambda rows: pack(*(tf.gather(array, rows) for array in arrays))))
        .prefetch(2)
    )


def from_disk(readers, epochs, batch_size, shuffle, pack):
    """The same dataset, read from one `ShardReader` for each view, in bounded memory."""

    def batches():
        windows = _windows(readers, epochs.next(), shuffle)
        rest = next(windows)
        while True:
            full = len(rest[0]) // batch_size * batch_size
            for start in range(0, full, batch_size):
                yield tuple(array[start : start + batch_size] for array in rest)
            rest = [array[full:] for array in rest]
            window = next(windows, None)
            if window is None:
                break
            rest = _concatenated([rest, window])
        if len(rest[0]):
            yield tuple(rest)

    return _from_generator(batches, readers[0].store, pack)


def rows_in_order(reader, start, pack):
    """The rows of one view from `start` on: a dataset of blocks."""
    store = reader.store

    def blocks():
        for first in range(start, store.num_rows, _BLOCK_ROWS):
            yield tuple(reader.rows(first, min(first + _BLOCK_ROWS, store.num_rows)))

    return _from_generator(blocks, store, pack)


def _from_generator(generator, store, pack):
    specs = tuple(tf.TensorSpec((None, *shape), dtype) for shape, dtype in store.specs)
    return from_generator(generator, specs).map(plain(pack)).prefetch(2)


def _windows(readers, random, shuffle):
    store = readers[0].store
    starts = np.arange(0, store.num_rows, _BLOCK_ROWS)
    if shuffle:
        random.shuffle(starts)
    blocks = max(1, _WINDOW_BYTES // (store.row_bytes * _BLOCK_ROWS))
    for first in range(0, len(starts), blocks):
        chosen = starts[first : first + blocks]
        rows = _concatenated([_block(readers, start, random) for start in chosen])
        if shuffle:
            order = random.permutation(len(rows[0]))
            rows = [array[order] for array in rows]
        yield rows


def _block(readers, start, random):
    """Neighbouring rows, each of a random view."""
    stop = min(start + _BLOCK_ROWS, readers[0].store.num_rows)
    if len(readers) == 1:
        return readers[0].rows(start, stop)
    views = random.integers(len(readers), size=stop - start)
    numbered = zip(range(start, stop), views, strict=True)
    return _concatenated([readers[view].rows(row, row + 1) for row, view in numbered])


def _concatenated(several):
    return [np.concatenate(arrays) for arrays in zip(*several, strict=True)]
