"""The part of an extraction that is one worker's."""

import tensorflow as tf

from keras_transfer.distribution.workers import has_workers


class WorkerShare:
    """One of several workers that compute features together: each takes shards of its own.

    Args:
        strategy: the `tf.distribute.MultiWorkerMirroredStrategy` of all workers.
    """

    def __init__(self, strategy):
        resolver = strategy.cluster_resolver
        cluster = resolver.cluster_spec().as_dict()
        sizes = {kind: len(cluster.get(kind, ())) for kind in ("chief", "worker")}
        before = sizes["chief"] if resolver.task_type == "worker" else 0
        self._strategy = strategy
        self._index, self._number = before + resolver.task_id, sum(sizes.values())

    def of(self, missing):
        """Of the missing shards of each view, those that this worker computes."""
        return [
            [shard for shard in shards if shard % self._number == self._index]
            for shards in missing
        ]

    def wait_for_all(self):
        """Returns when all workers have called it."""

        def meet():
            return tf.distribute.get_replica_context().all_reduce("sum", tf.ones(()))

        self._strategy.run(meet)


def share_of(model):
    """The `WorkerShare` of this process, or None where a model has no other workers."""
    strategy = model.distribute_strategy
    return WorkerShare(strategy) if has_workers(strategy) else None
