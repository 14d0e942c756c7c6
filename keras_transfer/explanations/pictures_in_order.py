"""The pictures of a data set in the order of their source, batch by batch."""

import numpy as np
import tensorflow as tf

_BATCHES_AHEAD = 2


def pictures_in_order(dataset, batch_size):
    """The batches of pictures of a data set, not shuffled nor augmented where that is known.

    Args:
        dataset: an array of pictures, or a `tf.data.Dataset` of batches of pictures or of
            tuples that start with pictures. One of `keras_transfer.data` gives them in the
            order of its source.
        batch_size: how many pictures at most a batch holds.

    Yields:
        float32 arrays `(pictures, height, width, channels)`.
    """
    if not isinstance(dataset, tf.data.Dataset):
        pictures = np.asarray(dataset)
        for start in range(0, len(pictures), batch_size):
            yield pictures[start : start + batch_size].astype("float32")
        return
    plain = getattr(dataset, "unaugmented", None)
    dataset = dataset if plain is None else plain
    source = getattr(dataset, "source", None)
    single = dataset.unbatch() if source is None else source.examples()
    for element in single.batch(batch_size).prefetch(_BATCHES_AHEAD):
        images = element[0] if isinstance(element, tuple) else element
        yield images.numpy().astype("float32")
