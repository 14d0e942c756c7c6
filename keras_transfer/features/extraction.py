"""Pictures through an engine into shards."""

import collections
import dataclasses
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


def extract_shards(run, source, view, num_classes, store, shards, on_shard=None):
    """Computes shards of one view.

    Args:
        run: what `Engine.compile` returned.
        source: an `ImageSource`.
        view: the number of the draw.
        num_classes: for an augmentation that mixes labels.
        store: the `ShardStore` to fill.
        shards: the numbers of the shards.
        on_shard: a function that is called with the number of pictures after each shard.

    Returns:
        An `Extraction`.
    """
    done = Extraction()
    started = time.perf_counter()
    for first, last in _runs(shards):
        start, stop = store.rows_of(first)[0], store.rows_of(last)[1]
        pictures = batches(source, view, num_classes, start, stop)
        rows = _computed(run, pictures, done)
        for shard in range(first, last + 1):
            begin, end = store.rows_of(shard)
            store.write(shard, _take(rows, end - begin))
            done.num_images += end - begin
            if on_shard is not None:
                on_shard(end - begin)
    done.seconds = time.perf_counter() - started
    return done


def _runs(numbers):
    """`(first, last)` of each stretch of consecutive numbers."""
    runs = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def batches(source, view, num_classes, start, stop):
    """The batches of one view, augmented, as they go through the engine.

    Args:
        source: an `ImageSource`.
        view: the number of the draw.
        num_classes: for an augmentation that mixes labels.
        start: the first picture, a multiple of `BATCH_SIZE`.
        stop: the one after the last.
    """
    examples = source.examples(start).take(stop - start).batch(BATCH_SIZE)
    if source.augmentation is not None:
        examples = _augmented(examples, source.augmentation, view, num_classes, start)
    options = tf.data.Options()
    # By default its buffers may grow to half of the machine's memory.
    options.autotune.ram_budget = 2**28
    return examples.prefetch(_BATCHES_AHEAD).with_options(options)


def _augmented(examples, augmentation, view, num_classes, start):
    def augment(number, elements):
        images, labels, *weights = elements
        seed = tf.stack([tf.constant(augmentation.seed + 1_000_003 * view, "int64"), number])
        images, labels = augmentation.transform(images, labels, seed, num_classes)
        return images, labels, *weights

    # The batch's place in the data, not in this run: a resumed run draws the same numbers.
    numbers = tf.data.Dataset.counter(start // BATCH_SIZE)
    return tf.data.Dataset.zip((numbers, examples)).map(
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


def _take(rows, count):
    """The next `count` rows of batches that end where a shard ends."""
    parts, found = [], 0
    while found < count:
        batch = next(rows, None)
        if batch is None:
            raise ValueError(
                f"The dataset gave {count - found} pictures less than it holds: it must give "
                "the same number in each pass."
            )
        parts.append(batch)
        found += len(batch[0])
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
