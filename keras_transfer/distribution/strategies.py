"""The choice of a `tf.distribute` strategy."""

import functools
import logging
import os

import tensorflow as tf

from keras_transfer.distribution.cluster import (
    num_configured_workers,
    num_slurm_tasks,
    slurm_config,
    tpu_address,
)

_logger = logging.getLogger("keras_transfer")


def get_strategy(strategy: str | tf.distribute.Strategy = "auto") -> tf.distribute.Strategy:
    """Chooses the `tf.distribute` strategy for this machine or this cluster.

    A strategy for several machines or a TPU must be made before TensorFlow does anything
    else. It is made once: a second call returns the same object. Batches are global: each is
    divided among all replicas.

    Args:
        strategy: `"auto"` takes the first that is available: a TPU (`TPU_NAME`, Kubernetes, or
            an attached one), several workers (`TF_CONFIG`, or the tasks of one `srun`, for
            which `TF_CONFIG` is then set), several GPUs, one device. `"tpu"`,
            `"multi_worker"`, `"mirrored"` and `"one_device"` require one of them. A
            `tf.distribute.Strategy` is returned unchanged.

    Returns:
        A `tf.distribute.Strategy`. The choice of `"auto"` and its reason are logged.

    Raises:
        ValueError: if the name is unknown, `TF_CONFIG` does not describe a cluster of workers,
            or the required TPU or cluster does not exist.
        RuntimeError: if several workers are required after TensorFlow was used.

    Example:

    >>> distribution.get_strategy("one_device").num_replicas_in_sync
    1
    """
    if isinstance(strategy, tf.distribute.Strategy):
        return strategy
    if strategy == "auto":
        strategy, reason = _choose()
        _logger.info("Running on %s: %s.", _WORDS[strategy], reason)
    if not isinstance(strategy, str) or strategy not in _MAKERS:
        raise ValueError(
            "`strategy` must be 'auto', 'one_device', 'mirrored', 'multi_worker', 'tpu' or a "
            f"`tf.distribute.Strategy`. Received: strategy={strategy!r}"
        )
    return _MAKERS[strategy]()


def _choose():
    """The name of the strategy, and the reason."""
    if tpu_address() is not None:
        return "tpu", "a TPU was found"
    workers = num_configured_workers()
    if workers > 1:
        return "multi_worker", f"TF_CONFIG names {workers}"
    tasks = num_slurm_tasks()
    if tasks > 1:
        return "multi_worker", f"Slurm started {tasks} tasks"
    # Listing the logical devices would fix settings that a cluster still has to change.
    gpus = len(tf.config.get_visible_devices("GPU"))
    if gpus > 1:
        return "mirrored", f"{gpus} GPUs were found"
    return "one_device", "one GPU was found" if gpus else "no GPU was found"


@functools.cache
def _mirrored():
    # The sums of a second object have the keys of the first one's: TensorFlow would end a
    # training with "Shape mismatch in the collective instance".
    return tf.distribute.MirroredStrategy()


@functools.cache
def _multi_worker():
    if not num_configured_workers() and num_slurm_tasks():
        os.environ["TF_CONFIG"] = slurm_config()
    if not num_configured_workers():
        raise ValueError(
            "There is no cluster: set TF_CONFIG for each worker, as "
            "https://www.tensorflow.org/guide/distributed_training describes, or start the "
            "workers with `srun`. Received: strategy='multi_worker'"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


@functools.cache
def _tpu():
    address = tpu_address()
    if address is None:
        raise ValueError(
            "There is no TPU: set TPU_NAME, or run on a machine with an attached TPU. "
            "Received: strategy='tpu'"
        )
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(address)
    return tf.distribute.TPUStrategy(resolver)


_WORDS = {
    "tpu": "a TPU",
    "multi_worker": "several workers",
    "mirrored": "all GPUs of this machine",
    "one_device": "one device",
}
_MAKERS = {
    "tpu": _tpu,
    "multi_worker": _multi_worker,
    "mirrored": _mirrored,
    "one_device": tf.distribute.get_strategy,
}
