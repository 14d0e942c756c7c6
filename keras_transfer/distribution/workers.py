"""The workers of a strategy."""

import zlib

import tensorflow as tf


def has_workers(strategy):
    """Whether a strategy spans several machines.

    Args:
        strategy: a `tf.distribute.Strategy`.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    # Without a cluster it mirrors the devices of this machine.
    return bool(strategy.cluster_resolver.cluster_spec().as_dict())


def is_chief(strategy):
    """Whether this process is the worker of a strategy that writes files.

    Args:
        strategy: a `tf.distribute.Strategy`; without workers the answer is True.
    """
    if not has_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def all_agree(strategy, text):
    """Whether all workers call this with the same text; each of them must call it.

    Args:
        strategy: a `tf.distribute.Strategy`; without workers the answer is True.
        text: a string.
    """
    if not has_workers(strategy):
        return True
    # Below a million, the sums of squares are exact.
    number = float(zlib.crc32(text.encode()) % 10**6)

    def sums():
        parts = tf.constant([1.0, number, number**2], "float64")
        return tf.distribute.get_replica_context().all_reduce("sum", parts)

    found = strategy.experimental_local_results(strategy.run(sums))[0]
    count, total, squares = found.numpy()
    return bool(count * squares == total**2)
