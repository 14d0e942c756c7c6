"""How often a training has gone through its pictures, so that another process can go on."""

import tensorflow as tf


class PicturePasses:
    """Counts the passes over data sets that come in another order in each pass.

    The order of a pass follows from the seeds and from the number of passes begun before. It
    is the same in a process that went on where another one was, if the data sets' order
    depends on nothing else; as that of `keras_transfer.data` does.

    Args:
        datasets: a dict of name to `tf.data.Dataset`.

    Attributes:
        begun: for each name, the number of passes that were begun.
    """

    def __init__(self, datasets):
        self._datasets = datasets
        self.begun = dict.fromkeys(datasets, 0)

    def counted(self, name, dataset, steps):
        """A data set whose passes are counted.

        Args:
            name: the one in `datasets` that this one is made of.
            dataset: what gives the batches.
            steps: their number in a pass.
        """

        def begin():
            self.begun[name] += 1
            yield 0

        # Keras makes iterators that it never uses; a pass that counts is one that was asked for
        # its first batch, and it is then that the order is drawn.
        passes = tf.data.Dataset.from_generator(
            begin, output_signature=tf.TensorSpec((), "int32")
        )
        counted = passes.flat_map(lambda _: dataset)
        return counted.apply(tf.data.experimental.assert_cardinality(steps))

    def go_on(self, begun):
        """Takes the orders that other passes had.

        Args:
            begun: what another object of this class has as `begun`.
        """
        for name, dataset in self._datasets.items():
            for _ in range(begun.get(name, 0) - self.begun[name]):
                iter(dataset)  # draws the order, and reads nothing
        self.begun.update(begun)
