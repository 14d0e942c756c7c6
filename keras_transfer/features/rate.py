"""How fast an engine computes."""

import collections
import math
import time


def images_per_second(run, images, at_least):
    """The rate of an engine on pictures in memory.

    Args:
        run: what `Engine.compile` returned.
        images: a list of batches.
        at_least: how many pictures to measure on; they are taken again and again.

    Returns:
        A float.
    """
    count = sum(map(len, images))
    _exhaust(run(iter(images)))  # the first pictures of a size are slower
    num_passes = math.ceil(at_least / count)
    started = time.perf_counter()
    _exhaust(run(iter(images * num_passes)))
    return num_passes * count / (time.perf_counter() - started)


def _exhaust(iterator):
    collections.deque(iterator, maxlen=0)
