"""What Keras 3 lacks under `MultiWorkerMirroredStrategy`.

`fit`, `evaluate` and `predict` of Keras 3 fail on several machines (keras#20585), up to 3.15 at
least, for two reasons:

- Before the first step Keras takes the mean of a batch over all replicas, to have an example of
  it; that fails for integers, and where a worker has one replica.
- After each step it takes the mean of the logs along their first axis, but logs are scalars.

The class below mends both, and nothing where Keras does neither.
"""

import functools
import inspect

import keras
import tensorflow as tf


class MultiWorkerSteps(keras.Model):
    """A `keras.Model` that trains on several machines.

    The logs of a step are the mean over the replicas of all workers.
    """

    def train_step(self, data):
        return self._as_vectors(super().train_step(data))

    def test_step(self, data):
        return self._as_vectors(super().test_step(data))

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and runs_on_workers(self) and _averages_the_example():
            # What is built from it follows from its shapes: one replica's part will do.
            iterator, data_batch = None, _part_of_a_batch(iterator, self.distribute_strategy)
        return super()._maybe_symbolic_build(iterator, data_batch)

    def _as_vectors(self, logs):
        if not (runs_on_workers(self) and _averages_logs_along_an_axis()):
            return logs
        return tf.nest.map_structure(lambda value: tf.reshape(value, (1,)), logs)


def runs_on_workers(model):
    """Whether a model was made for several machines."""
    strategy = model.distribute_strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    # Without a cluster it mirrors over the devices of this machine.
    return bool(strategy.cluster_resolver.cluster_spec().as_dict())


def is_chief(model):
    """Whether this process is the one of a model's workers that writes files."""
    if not runs_on_workers(model):
        return True
    resolver = model.distribute_strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def _part_of_a_batch(iterator, strategy):
    for _, _, batches in iterator:
        return keras.tree.map_structure(
            lambda values: strategy.experimental_local_results(values)[0], next(batches)
        )


# What Keras does can be seen in its source alone: to try it takes two machines.
@functools.cache
def _averages_the_example():
    return "distribute_strategy.reduce(" in inspect.getsource(keras.Model._maybe_symbolic_build)


@functools.cache
def _averages_logs_along_an_axis():
    trainer = inspect.getmodule(keras.Model._maybe_symbolic_build)
    return 'reduce("MEAN", v, axis=0)' in inspect.getsource(trainer.reduce_per_replica)
