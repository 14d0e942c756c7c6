"""What a strategy says of the workers that train together."""

import tensorflow as tf


def has_workers(strategy):
    """Whether a strategy is one of several machines.

    Args:
        strategy: a `tf.distribute.Strategy`.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    # Without a cluster it mirrors over the devices of this machine.
    return bool(strategy.cluster_resolver.cluster_spec().as_dict())


def is_chief(strategy):
    """Whether this process is the one of a strategy's workers that writes files.

    Args:
        strategy: a `tf.distribute.Strategy`; without workers every process is.
    """
    if not has_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)
