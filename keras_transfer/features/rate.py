"""How fast an engine computes."""

import collections
import math
import time

# A turn of seconds is hardly disturbed.
_TURNS, _LONG = 3, 2.0


def images_per_second(run, images, at_least):
    """The rate of an engine on pictures in memory, in the fastest of up to three turns.

    What else the machine does makes a turn slower and none faster.

    Args:
        run: what `Engine.compile` returned.
        images: a list of batches.
        at_least: how many pictures to measure on in each turn; they are taken again and again.

    Returns:
        A float.
    """
    count = sum(map(len, images))
    _exhaust(run(iter(images)))  # the first pictures of a size are slower
    num_passes = math.ceil(at_least / count)
    turns = []
    while len(turns) < _TURNS and sum(turns) < _LONG:
        turns.append(_seconds(run, images * num_passes))
    return num_passes * count / min(turns)


def _seconds(run, images):
    started = time.perf_counter()
    _exhaust(run(iter(images)))
    return time.perf_counter() - started


def _exhaust(iterator):
    collections.deque(iterator, maxlen=0)
