"""Datasets of the rows of shards, from memory or from disk."""

import numpy as np
import tensorflow as tf

# Shuffled reading from disk: windows of so many bytes, made of blocks of so many rows that lie
# beside each other on disk and come from anywhere in the data.
_WINDOW_BYTES = 2**25
_BLOCK_ROWS = 64


def load(readers):
    """All rows of all views in memory, one view after the other: a list of tensors."""
    views = [reader.rows(0, reader.store.num_rows) for reader in readers]
    if len(views) == 1:
        return [tf.constant(array) for array in views[0]]
    return [tf.constant(np.concatenate(parts)) for parts in zip(*views, strict=True)]


def from_memory(arrays, num_views, epochs, batch_size, shuffle):
    """A dataset of batches of rows that are all held in memory.

    Args:
        arrays: what `load` returned.
        num_views: the number of views in them.
        epochs: an `Epochs`.
        batch_size: rows in a batch.
        shuffle: whether each epoch has another order.

    Returns:
        A `tf.data.Dataset` of tuples, one tensor for each array of the shards.
    """
    num_rows = len(arrays[0]) // num_views

    def order():
        random = epochs.next()
        rows = np.arange(num_rows)
        if shuffle:
            random.shuffle(rows)
        if num_views > 1:
            rows += random.integers(num_views, size=num_rows) * num_rows
        yield rows

    indices = tf.data.Dataset.from_generator(
        order, output_signature=tf.TensorSpec((num_rows,), "int64")
    )
    return (
        indices.flat_map(tf.data.Dataset.from_tensor_slices)
        .batch(batch_size)
        .map(lambda rows: tuple(tf.gather(array, rows) for array in arrays))
    )


def from_disk(readers, epochs, batch_size, shuffle):
    """The same for rows that are read as they are needed, in windows of bounded size.

    A window holds blocks of neighbouring rows from anywhere in the data, and is shuffled as a
    whole.

    Args:
        readers: a `ShardReader` for each view.
        epochs: an `Epochs`.
        batch_size: rows in a batch.
        shuffle: whether each epoch has another order.
    """

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

    specs = _block_specs(readers[0].store)
    return tf.data.Dataset.from_generator(batches, output_signature=specs)


def rows_in_order(reader, start):
    """The rows of one view, from `start` on, in blocks: a dataset of tuples."""
    store = reader.store

    def blocks():
        for first in range(start, store.num_rows, _BLOCK_ROWS):
            yield tuple(reader.rows(first, min(first + _BLOCK_ROWS, store.num_rows)))

    return tf.data.Dataset.from_generator(blocks, output_signature=_block_specs(store))


def _block_specs(store):
    return tuple(tf.TensorSpec((None, *shape), dtype) for shape, dtype in store.specs)


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
    """Neighbouring rows, each of a view of its own."""
    stop = min(start + _BLOCK_ROWS, readers[0].store.num_rows)
    if len(readers) == 1:
        return readers[0].rows(start, stop)
    views = random.integers(len(readers), size=stop - start)
    numbered = zip(range(start, stop), views, strict=True)
    return _concatenated([readers[view].rows(row, row + 1) for row, view in numbered])


def _concatenated(several):
    return [np.concatenate(arrays) for arrays in zip(*several, strict=True)]
