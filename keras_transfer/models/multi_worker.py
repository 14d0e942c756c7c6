"""Training under `MultiWorkerMirroredStrategy`, which fails in Keras 3.

`fit`, `evaluate` and `predict` of Keras 3 fail on several machines (keras#20585), up to 3.15 at
least, for two reasons:

- Before the first step, Keras reduces a batch to its mean over all replicas to get an example;
  that fails for integers, and for a worker with one replica.
- After each step, it reduces the logs to their mean along the first axis, but logs are scalars.

The class below works around both, and has no effect on a Keras that does neither.
"""

import functools
import inspect

import keras
import tensorflow as tf

from keras_transfer.distribution.workers import has_workers
from keras_transfer.models.input_arrays import as_inputs
from keras_transfer.models.objective_steps import ObjectiveSteps


class MultiWorkerSteps(ObjectiveSteps):
    """A `keras.Model` that trains on several machines.

    The logs of a step are the mean over the replicas of all workers, and each batch is split
    among the workers: by default, TensorFlow splits the files, and fails for other sources.
    """

    def fit(self, x=None, *arguments, validation_data=None, **keyword_arguments):
        return super().fit(
            self._by_rows(x),
            *arguments,
            validation_data=self._by_rows(validation_data),
            **keyword_arguments,
        )

    def evaluate(self, x=None, *arguments, **keyword_arguments):
        return super().evaluate(self._by_rows(x), *arguments, **keyword_arguments)

    def predict(self, x, *arguments, **keyword_arguments):
        return super().predict(self._by_rows(x), *arguments, **keyword_arguments)

    def _by_rows(self, data):
        data = as_inputs(data, self.inputs)
        if not (isinstance(data, tf.data.Dataset) and runs_on_workers(self)):
            return data
        policy = tf.data.experimental.AutoShardPolicy
        if data.options().experimental_distribute.auto_shard_policy != policy.AUTO:
            return data
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = policy.DATA
        return data.with_options(options)

    def train_step(self, data):
        return self._as_vectors(super().train_step(data))

    def test_step(self, data):
        return self._as_vectors(super().test_step(data))

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and runs_on_workers(self) and _averages_the_example():
            # Keras needs only the shapes: the part of one replica is enough.
            iterator, data_batch = None, _part_of_a_batch(iterator, self.distribute_strategy)
        return super()._maybe_symbolic_build(iterator, data_batch)

    def _as_vectors(self, logs):
        if not (runs_on_workers(self) and _averages_logs_along_an_axis()):
            return logs
        return tf.nest.map_structure(lambda value: tf.reshape(value, (1,)), logs)


def runs_on_workers(model):
    """Whether a model was built for several machines."""
    return has_workers(model.distribute_strategy)


def _part_of_a_batch(iterator, strategy):
    for _, _, batches in iterator:
        return keras.tree.map_structure(
            lambda values: strategy.experimental_local_results(values)[0], next(batches)
        )


# From the source of Keras, since a trial takes two machines.
@functools.cache
def _averages_the_example():
    return "distribute_strategy.reduce(" in inspect.getsource(keras.Model._maybe_symbolic_build)


@functools.cache
def _averages_logs_along_an_axis():
    trainer = inspect.getmodule(keras.Model._maybe_symbolic_build)
    return 'reduce("MEAN", v, axis=0)' in inspect.getsource(trainer.reduce_per_replica)
