"""Pictures through an engine into shards."""

import collections
import dataclasses
import itertools
import time

import numpy as np
import tensorflow as tf

# The pictures that are decoded, augmented and computed together. Part of what an augmented
# view is: MixUp mixes within a batch.
BATCH_SIZE = 32
_BATCHES_AHEAD = 4


@dataclasses.dataclass
class Extraction:
    """What an extraction did.

    Attributes:
        num_images: pictures that went through the engine.
        seconds: how long it took, the engine's preparation left out.
        waited: the part of it, in seconds, in which the engine had no picture to work on.
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


def extract_shards(run, source, num_classes, stores, missing, on_rows=None):
    """Computes the missing shards of all views.

    Args:
        run: what `Engine.compile` returned.
        source: an `ImageSource`.
        num_classes: for an augmentation that mixes labels.
        stores: a `ShardStore` for each view.
        missing: for each view, the numbers of the shards to compute.
        on_rows: a function that is called with the number of pictures after each shard.

    Returns:
        An `Extraction`.
    """
    done = Extraction()
    started = time.perf_counter()
    for views, first, last in _runs(missing, together=source.augmentation is not None):
        start, stop = stores[0].rows_of(first)[0], stores[0].rows_of(last)[1]
        pictures = batches(source, views, num_classes, start, stop)
        computed = _computed(run, pictures, done)
        for shard in range(first, last + 1):
            begin, end = stores[0].rows_of(shard)
            rows_of_views = _take(computed, len(views), end - begin)
            for view, rows in zip(views, rows_of_views, strict=True):
                stores[view].write(shard, rows)
                done.num_images += end - begin
                if on_rows is not None:
                    on_rows(end - begin)
    done.seconds = time.perf_counter() - started
    return done


def _runs(missing, together):
    """`(views, first, last)` of each stretch of consecutive shards that the same views miss.

    Views of one pass over the pictures are decoded once, `together`; where nothing but the
    pass itself tells views apart, each has a pass of its own.
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


def batches(source, views, num_classes, start, stop):
    """The batches of some views, augmented, as they go through the engine.

    Args:
        source: an `ImageSource`.
        views: the numbers of the draws; each batch comes once for each of them, in turn.
        num_classes: for an augmentation that mixes labels.
        start: the first picture, a multiple of `BATCH_SIZE`.
        stop: the one after the last.
    """
    examples = source.examples(start).take(stop - start).batch(BATCH_SIZE)
    if source.augmentation is not None:
        examples = _augmented(examples, source.augmentation, views, num_classes, start)
    options = tf.data.Options()
    # By default its buffers may grow to half of the machine's memory.
    options.autotune.ram_budget = 2**28
    return examples.prefetch(_BATCHES_AHEAD).with_options(options)


def _augmented(examples, augmentation, views, num_classes, start):
    def augment(view, number, elements):
        images, labels, *weights = elements
        seed = tf.stack([augmentation.seed + 1_000_003 * view, number])
        images, labels = augmentation.transform(images, labels, seed, num_classes)
        return images, labels, *weights

    def of_each_view(number, elements):
        same = tf.data.Dataset.from_tensors((number, elements)).repeat(len(views))
        draws = tf.data.Dataset.from_tensor_slices(tf.constant(views, "int64"))
        return tf.data.Dataset.zip((draws, same)).map(lambda view, rest: (view, *rest))

    # The batch's place in the data, not in this run: a resumed run draws the same numbers.
    numbers = tf.data.Dataset.counter(start // BATCH_SIZE)
    examples = tf.data.Dataset.zip((numbers, examples.prefetch(1)))
    return examples.flat_map(of_each_view).map(
        augment, num_parallel_calls=2, deterministic=True
    )


def _computed(run, pictures, done):
    """Batches of `[features, *targets]`, and the time that passed waiting for pictures."""
    targets = collections.deque()

    def images():
        iterator = iter(pictures)
        while True:
            started = time.perf_counter()
            element = next(iterator, None)
            done.waited += time.perf_counter() - started
            if element is None:
                return
            first, *rest = [part.numpy() for part in tf.nest.flatten(element)]
            targets.append(rest)
            yield first

    for features in run(images()):
        yield [features, *targets.popleft()]


def _take(batches_in_turn, num_views, count):
    """The next `count` rows of each view, of batches that end where a shard ends."""
    parts, found = [[] for _ in range(num_views)], 0
    while found < count:
        batches_of_views = list(itertools.islice(batches_in_turn, num_views))
        if len(batches_of_views) < num_views:
            raise ValueError(
                "The dataset ended before it gave all the pictures it holds: it must give the "
                "same number in each pass."
            )
        for part, batch in zip(parts, batches_of_views, strict=True):
            part.append(batch)
        found += len(batches_of_views[0][0])
    return [[np.concatenate(arrays) for arrays in zip(*part, strict=True)] for part in parts]
