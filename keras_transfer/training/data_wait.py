"""How long a training waits for its data."""

import tensorflow as tf


class DataWait:
    """Measures the time in which a step waits for the next batch.

    Keras takes batches inside its compiled step, where no callback sees the wait. Here the
    dataset itself looks at the clock when it is asked and when it has an answer.

    Attributes:
        seconds: a scalar variable, the time waited so far.
    """

    def __init__(self):
        self.seconds = tf.Variable(0.0, dtype="float64", trainable=False)

    def measured(self, dataset):
        """The same dataset, which adds up how long it is waited for.

        Args:
            dataset: a `tf.data.Dataset`.
        """
        # The parts of a zipped dataset are asked in order: the clock first.
        asked = tf.data.Dataset.counter().map(lambda number: tf.timestamp())

        def answer(asked_at, element):
            with tf.control_dependencies([self.seconds.assign_add(tf.timestamp() - asked_at)]):
                return tf.nest.map_structure(tf.identity, element)

        options = tf.data.Options()
        # A buffer behind the clock would be waited for instead of the step.
        options.experimental_optimization.inject_prefetch = False
        return tf.data.Dataset.zip((asked, dataset)).map(answer).with_options(options)


def can_measure():
    """Whether there is a clock: where operations must be deterministic TensorFlow has none."""
    try:
        tf.timestamp()
    except tf.errors.OpError:
        return False
    return True
