"""Runs images through an engine into shards."""

import collections
import concurrent.futures
import dataclasses
import itertools
import os
import time

import numpy as np
import tensorflow as tf

from keras_transfer.data.changed_files import changes_reported
from keras_transfer.data.labeled_dataset import without_autotuning
from keras_transfer.features.decoded_images import DecodedImages
from keras_transfer.features.feature_datasets import plain
from keras_transfer.features.shard_store import BATCH_SIZE

_BATCHES_AHEAD = 4


@dataclasses.dataclass
class Extraction:
    """The cost of an extraction.

    Attributes:
        num_images: the number of images that the engine computed, once for each view.
        seconds: the duration, without the preparation of the engine.
        waited: the seconds of it in which the engine waited for images.
    """

    num_images: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def __add__(self, other):
        return Extraction(
            self.num_images + other.num_images,
            self.seconds + other.seconds,
            self.waited + other.waited,
        )


def passes_over(source, num_classes, stores, missing, decoded=None):
    """Yields `(views, shards, batches)` of each pass over the images, whose reading has begun.

    Args:
        source: the `ImageSource`.
        num_classes: of the labels, for an augmentation that mixes them, or None.
        stores: a `ShardStore` for each view.
        missing: the numbers of its missing shards for each view.
        decoded: the `DecodedImages` to take images from and to keep them in. Defaults to None,
            which decodes all.
    """
    decoded = decoded or DecodedImages()
    for views, first, last in _runs(missing, together=source.augmentation is not None):
        start, stop = stores[0].rows_of(first)[0], stores[0].rows_of(last)[1]
        found = _elements(batches(source, views, num_classes, start, stop, decoded))
        yield views, range(first, last + 1), begun(decoded.noted(source, start, found))


def begun(elements):
    """The same elements, of which the first one has been made.

    After it, threads of TensorFlow read the next elements of a dataset.
    """
    iterator = iter(elements)
    return itertools.chain([*itertools.islice(iterator, 1)], iterator)


def extract_shards(run, passes, stores, on_rows):
    """Computes the shards of `passes_over` for all views and returns an `Extraction`.

    `run` is the function that `Engine.compile` returns. `on_rows` is called after each shard
    with its number of images.
    """
    done, written = Extraction(), []
    started = time.perf_counter()
    # The engine computes the next shard while one is written.
    with concurrent.futures.ThreadPoolExecutor(1) as writer:
        for views, shards, elements in passes:
            computed = _computed(run, elements, done)
            for shard in shards:
                begin, end = stores[0].rows_of(shard)
                rows_of_views = _take(computed, len(views), end - begin)
                _wait(written)
                for view, rows in zip(views, rows_of_views, strict=True):
                    written.append(writer.submit(stores[view].write, shard, rows))
                    done.num_images += end - begin
                    on_rows(end - begin)
        _wait(written)
    done.seconds = time.perf_counter() - started
    return done


def _wait(written):
    """Waits until shards are written; raises the error of one that was not."""
    while written:
        written.pop(0).result()


def _runs(missing, together):
    """`(views, first, last)` of each run of consecutive shards that the same views miss.

    With `together`, one pass over the images serves all views. Without an augmentation the
    views differ only by their pass, so each view needs its own.
    """
    if not together:
        for view, shards in enumerate(missing):
            for _, first, last in _runs([shards], together=True):
                yield (view,), first, last
        return
    runs = []
    for shard in sorted(set().union(*missing)):
        views = tuple(view for view, shards in enumerate(missing) if shard in shards)
        if runs and runs[-1][0] == views and runs[-1][2] == shard - 1:
            runs[-1][2] = shard
        else:
            runs.append([views, shard, shard])
    yield from runs


def batches(source, views, num_classes, start, stop, decoded=None):
    """The augmented batches of the images from `start`, a multiple of `BATCH_SIZE`, to `stop`.

    Each batch comes once for each number in `views`, in turn. `decoded` are the `DecodedImages`
    to take them from; None decodes all.
    """
    examples = (decoded or DecodedImages()).in_batches(source, start, stop)
    if source.augmentation is not None:
        examples = _augmented(examples, source.augmentation, views, num_classes, start)
    return without_autotuning(examples.prefetch(_BATCHES_AHEAD))


def _augmented(examples, augmentation, views, num_classes, start):
    @plain
    def augment(view, number, elements):
        images, others = parts_of(elements)
        labels, *weights = others or (None,)
        seed = tf.stack([augmentation.seed + 1_000_003 * view, number])
        images, labels = augmentation.transform(images, labels, seed, num_classes)
        return (images, labels, *weights) if others else images

    @plain
    def of_each_view(number, elements):
        same = tf.data.Dataset.from_tensors((number, elements)).repeat(len(views))
        draws = tf.data.Dataset.from_tensor_slices(tf.constant(views, "int64"))
        return tf.data.Dataset.zip((draws, same)).map(plain(lambda view, rest: (view, *rest)))

    # The seed uses the batch's place in the data, so a resumed extraction draws the same.
    numbers = tf.data.Dataset.range(start // BATCH_SIZE, tf.int64.max)
    examples = tf.data.Dataset.zip((numbers, examples.prefetch(1)))
    return examples.flat_map(of_each_view).map(
        augment, num_parallel_calls=os.cpu_count(), deterministic=True
    )


def _elements(dataset):
    with changes_reported():
        yield from dataset


def _computed(run, batches_of_images, done):
    """Batches of `[features, *targets]`; adds the time spent waiting for images to `done`."""
    targets = collections.deque()

    def images():
        iterator = iter(batches_of_images)
        while True:
            started = time.perf_counter()
            element = next(iterator, None)
            done.waited += time.perf_counter() - started
            if element is None:
                return
            inputs, others = parts_of(element)
            targets.append([part.numpy() for part in tf.nest.flatten(others)])
            yield tf.nest.map_structure(lambda tensor: tensor.numpy(), inputs)

    for features in run(images()):
        yield [*tf.nest.flatten(features), *targets.popleft()]


def parts_of(element):
    """The inputs of a network in an element of a dataset, and what follows them."""
    return (element[0], element[1:]) if isinstance(element, tuple) else (element, ())


def _take(batches_in_turn, num_views, count):
    """The next `count` rows of each view, from batches that end where a shard ends."""
    parts, found = [[] for _ in range(num_views)], 0
    while found < count:
        for part in parts:
            batch = next(batches_in_turn, None)
            if batch is None:
                raise ValueError(
                    "The dataset ended early: each pass must give the same number of images."
                )
            part.append(batch)
        found += len(batch[0])
    return [[np.concatenate(arrays) for arrays in zip(*part, strict=True)] for part in parts]
