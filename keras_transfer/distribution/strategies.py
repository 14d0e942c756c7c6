"""Which `tf.distribute` strategy to run on."""

import functools
import logging
import os

import tensorflow as tf

from keras_transfer.distribution.cluster import (
    num_configured_workers,
    num_slurm_tasks,
    slurm_config,
)
from keras_transfer.distribution.tpu import tpu_address

_logger = logging.getLogger("keras_transfer")


def get_strategy(strategy="auto"):
    """The `tf.distribute` strategy for this machine, or for the machines this one is part of.

    A strategy for several machines or a TPU must be made before TensorFlow does anything
    else, and is made once: a second call gives the same one. Batches are global: each is
    divided among all replicas.

    Args:
        strategy: `"auto"` takes the first of these that there is: a TPU (`TPU_NAME`,
            Kubernetes, or a TPU's own machine), several workers (`TF_CONFIG`, or the tasks of
            one `srun`, for which `TF_CONFIG` is then set), several GPUs, one device. `"tpu"`,
            `"multi_worker"`, `"mirrored"` and `"one_device"` ask for one of them. A
            `tf.distribute.Strategy` is returned as it is.

    Returns:
        A `tf.distribute.Strategy`. What `"auto"` chose, and why, is logged in one sentence.

    Raises:
        ValueError: for another name, for a `TF_CONFIG` that is no cluster of workers, or where
            there is no TPU or cluster of those that were asked for.
        RuntimeError: if several workers are asked for after TensorFlow was used.
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
    """The name of the strategy for what there is, and why."""
    if tpu_address() is not None:
        return "tpu", "a TPU was found"
    workers = num_configured_workers()
    if workers > 1:
        return "multi_worker", f"TF_CONFIG names {workers}"
    tasks = num_slurm_tasks()
    if tasks > 1:
        return "multi_worker", f"Slurm started {tasks} tasks"
    # Not the logical devices: to list these fixes what a cluster could still set.
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus > 1:
        return "mirrored", f"{gpus} GPUs were found"
    return "one_device", "one GPU was found" if gpus else "no GPU was found"


def _mirrored():
    return tf.distribute.MirroredStrategy()


@functools.cache
def _multi_worker():
    if not num_configured_workers() and num_slurm_tasks():
        os.environ["TF_CONFIG"] = slurm_config()
    if not num_configured_workers():
        raise ValueError(
            "There is no cluster to work in: set TF_CONFIG for each worker, as "
            "https://www.tensorflow.org/guide/distributed_training describes it, or start them "
            "with `srun`. Received: strategy='multi_worker'"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


@functools.cache
def _tpu():
    address = tpu_address()
    if address is None:
        raise ValueError(
            "There is no TPU: set TPU_NAME, or run on a TPU's own machine. "
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
