"""Training on data that are checked before they do harm."""

import inspect

import keras
import tensorflow as tf

from keras_transfer.models.checked_data import CheckedData
from keras_transfer.models.label_rules import check_class_weight
from keras_transfer.models.trained_set import FollowsTrainedSet

# Rows of an example batch: Keras would squeeze a single one.
_FEW = 2


class CheckedTraining(FollowsTrainedSet):
    """A `TransferModel` whose `fit` and `evaluate` check images and labels."""

    def fit(self, *arguments, **keyword_arguments):
        call = inspect.signature(keras.Model.fit).bind(self, *arguments, **keyword_arguments)
        given = {name: value for name, value in call.arguments.items() if name != "self"}
        check_class_weight(self.heads, given.get("class_weight"))
        with CheckedData(self, self.compiled_losses) as checked:
            self.remember(given.get("x"))
            given["x"] = _checked(checked, given, "steps_per_epoch", "train")
            if given.get("validation_data") is not None:
                given["validation_data"] = _checked_validation(checked, given)
            history = self.fit_unchecked(**given)
        if given.get("epochs", 1) > given.get("initial_epoch", 0) and not history.history:
            raise ValueError("`train` holds no batch. Received: an empty dataset")
        return history

    def fit_unchecked(self, x=None, **keyword_arguments):
        """`fit` for data that are checked already."""
        if not _is_array(x) and not isinstance(x, keras.utils.PyDataset):
            # Keras warns about its own default `shuffle=True` for a dataset or a generator.
            keyword_arguments.setdefault("shuffle", False)
        if isinstance(x, tf.data.Dataset) and self.compiled and not self.optimizer.built:
            self._build_for(x.element_spec)
        return super().fit(x, **keyword_arguments)

    def evaluate(self, *arguments, **keyword_arguments):
        if "_use_cached_eval_dataset" in keyword_arguments:  # Keras, within `fit`
            return super().evaluate(*arguments, **keyword_arguments)
        call = inspect.signature(keras.Model.evaluate).bind(
            self, *arguments, **keyword_arguments
        )
        given = {name: value for name, value in call.arguments.items() if name != "self"}
        given |= given.pop("kwargs", {})
        with CheckedData(self, self.compiled_losses) as checked:
            given["x"] = _checked(checked, given, "steps", "dataset")
            return super().evaluate(**given)

    def _build_for(self, element_spec):
        """Creates the variables of the metrics and of the optimizer with a batch of zeros.

        Keras creates them while it traces the first step, and then traces that step again: for
        a large network this takes as long as an epoch on a few hundred features.
        """
        specs = tf.nest.flatten(element_spec)
        if self.distribute_strategy.num_replicas_in_sync > 1 or not all(map(_is_plain, specs)):
            return  # Keras creates them, or reports what is wrong.
        zeros = [tf.zeros([_FEW if n is None else n for n in s.shape], s.dtype) for s in specs]
        batch = tf.nest.pack_sequence_as(element_spec, zeros)
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        predicted = self(images, training=False)
        self.compute_loss(images, labels, predicted, weights)
        self.compute_metrics(images, labels, predicted, weights)
        self.reset_metrics()
        self.optimizer.build(self.trainable_variables)


def _checked(checked, given, steps, name):
    """The `x` of a call, checked together with its labels."""
    x, y = given.get("x"), given.get("y")
    if y is None and not _is_array(x):
        return checked.of(x, given.get(steps) is not None, name)
    checked.of((x, y), name=name)
    return x


def _checked_validation(checked, given):
    data = given["validation_data"]
    if isinstance(data, tf.data.Dataset) and _has_no_batch(data):
        raise ValueError("`validation` holds no batch. Received: an empty dataset")
    return checked.of(data, given.get("validation_steps") is not None, "validation")


def _has_no_batch(dataset):
    """Whether a dataset of unknown size is empty; Keras would report nothing."""
    is_unknown = int(dataset.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    return is_unknown and next(iter(dataset), None) is None


def _is_array(x):
    return hasattr(x, "shape") or isinstance(x, (list, dict))


def _is_plain(spec):
    return isinstance(spec, tf.TensorSpec) and spec.shape.rank and spec.dtype != tf.string
