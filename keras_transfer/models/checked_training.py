"""Training on data that are checked before they do harm."""

import inspect
import itertools
from collections.abc import Iterable, Iterator

import keras
import tensorflow as tf

from keras_transfer.models.checked_data import CheckedData, empty_message
from keras_transfer.models.input_arrays import arguments_as_inputs
from keras_transfer.models.label_rules import check_class_weight
from keras_transfer.models.objective import ObjectiveData
from keras_transfer.models.regression import (
    adapt,
    scaled_layers,
    standardizes,
    targets_of,
    warn_if_worse_than_mean,
)
from keras_transfer.models.trained_set import FollowsTrainedSet

_MANY = 256


class CheckedTraining(FollowsTrainedSet):
    """A `TransferModel` whose `fit` and `evaluate` check images and labels."""

    def fit(self, *arguments, **keyword_arguments):
        call = inspect.signature(keras.Model.fit).bind(self, *arguments, **keyword_arguments)
        given = {name: value for name, value in call.arguments.items() if name != "self"}
        given = arguments_as_inputs(given, self.inputs)
        check_class_weight(self.heads, given.get("class_weight"))
        if self.running.objectives:
            self.begin_objectives(_parts_of(given))
        with CheckedData(self, self.compiled_losses) as checked:
            self.remember(given.get("x"))
            given["x"] = _checked(checked, given, "steps_per_epoch", "train")
            given["x"] = self._adapted_to(given)
            if given.get("validation_data") is not None:
                given["validation_data"] = _checked_validation(checked, given)
            history = self.fit_unchecked(**given)
            self._judge(given, history)
        if given.get("epochs", 1) > given.get("initial_epoch", 0) and not history.history:
            raise ValueError(empty_message("train"))
        return history

    def adapt_heads(self, targets: Iterable) -> None:
        """Gives regression heads the mean and the deviation of the training targets, once.

        `fit` and `fine_tune` call it; call it before the first step of a custom training loop.
        A head that was adapted or trained before stays as it is.

        Args:
            targets: an iterable of batches of targets, such as `[targets]`; of dicts for
                several heads.

        Example:
            >>> model = models.TransferModel(backbone, heads=heads.DenseHead(1))
            >>> model.adapt_heads([np.array([100.0, 300.0])])
            >>> layer = model.get_layer("head_output")
            >>> float(layer.mean[0]), float(layer.deviation[0])
            (200.0, 100.0)
        """
        layers = {name: one for name, one in scaled_layers(self).items() if one.is_fresh}
        if layers:
            adapt(layers, targets)

    def _adapted_to(self, given):
        """The `x` of a call, after the heads are adapted to its targets.

        Of endless data, the targets of the first batch stand for all.
        """
        x, y = given["x"], given.get("y")
        if not scaled_layers(self):
            return x
        if y is not None:
            self.adapt_heads([y])
        elif isinstance(x, tf.data.Dataset):
            some = x if given.get("steps_per_epoch") is None else x.take(1)
            self.adapt_heads(targets_of(some))
        elif isinstance(x, keras.utils.PyDataset):
            self.adapt_heads(x[index][1] for index in range(x.num_batches or 1))
        elif isinstance(x, Iterator):
            first = next(x)
            self.adapt_heads([first[1]])
            return (batch for batch in itertools.chain([first], x))
        return x

    def _judge(self, given, history):
        """Warns of a regression that is worse than the mean of the targets."""
        validation = given.get("validation_data")
        if isinstance(validation, (tuple, list)):
            validation = tf.data.Dataset.from_tensor_slices(tuple(validation)).batch(_MANY)
        if isinstance(validation, tf.data.Dataset):
            validation = validation.take(given.get("validation_steps") or -1)
            loss = history.history.get("val_loss", [None])[-1]
            warn_if_worse_than_mean(self, validation, loss)

    def compute_loss(self, x=None, y=None, y_pred=None, *arguments, **keyword_arguments):
        for name, layer in scaled_layers(self).items():
            losses = self.compiled_losses
            if not standardizes(losses[name] if isinstance(losses, dict) else losses):
                continue
            if name is None:
                y, y_pred = layer.standardized(y), layer.standardized(y_pred)
            else:
                y = {**y, name: layer.standardized(y[name])}
                y_pred = {**y_pred, name: layer.standardized(y_pred[name])}
        return super().compute_loss(x, y, y_pred, *arguments, **keyword_arguments)

    def fit_unchecked(self, x=None, **keyword_arguments):
        """`fit` for data that are checked already."""
        if not _is_array(x) and not isinstance(x, keras.utils.PyDataset):
            # Keras warns about its own default `shuffle=True` for a dataset or a generator.
            keyword_arguments.setdefault("shuffle", False)
        return super().fit(x, **keyword_arguments)

    def evaluate(self, *arguments, **keyword_arguments):
        if "_use_cached_eval_dataset" in keyword_arguments:  # Keras, within `fit`
            return super().evaluate(*arguments, **keyword_arguments)
        call = inspect.signature(keras.Model.evaluate).bind(
            self, *arguments, **keyword_arguments
        )
        given = {name: value for name, value in call.arguments.items() if name != "self"}
        given |= given.pop("kwargs", {})
        given = arguments_as_inputs(given, self.inputs)
        if isinstance(given.get("x"), tf.data.Dataset) and _has_no_batch(given["x"]):
            raise ValueError(empty_message("dataset"))
        with CheckedData(self, self.compiled_losses) as checked:
            given["x"] = _checked(checked, given, "steps", "dataset")
            return super().evaluate(**given)


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
        raise ValueError(empty_message("validation"))
    return checked.of(data, given.get("validation_steps") is not None, "validation")


def _parts_of(given):
    """The data of the domains in a call of `fit`."""
    x, y = given.get("x"), given.get("y")
    if y is not None:
        x = tf.data.Dataset.from_tensor_slices((x, y)).batch(_MANY)
    return getattr(x, "parts", None) or ObjectiveData(x)


def _has_no_batch(dataset):
    """Whether a dataset of unknown size is empty; Keras would report nothing."""
    is_unknown = int(dataset.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    return is_unknown and next(iter(dataset), None) is None


def _is_array(x):
    return hasattr(x, "shape") or isinstance(x, (list, dict))
