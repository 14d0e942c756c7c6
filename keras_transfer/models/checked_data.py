"""Data whose images and labels are checked against the heads of a model."""

import collections.abc
import functools
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._python_functions import weakly
from keras_transfer.models.label_rules import label_rule

_MOST_BATCHES = 100_000
_FEW = 32  # images that show whether all are in [0, 255]
_PLAIN = tf.autograph.experimental.do_not_convert


class CheckedData:
    """Checks the data of a training; as a context, it reports what a check found in one line.

    TensorFlow wraps an error of a dataset in the trace of its graph. On leaving the context,
    the original error is raised instead.

    Args:
        model: a `TransferModel`.
        losses: the compiled loss, or a dict of them; None for those of the heads.
    """

    def __init__(self, model, losses=None):
        several = model.heads if isinstance(model.heads, dict) else {None: model.heads}
        outputs = model.output if isinstance(model.heads, dict) else {None: model.output}
        by_head = losses if isinstance(losses, dict) else dict.fromkeys(several, losses)
        self._names = tuple(several)
        self._rules = {
            name: label_rule(head, by_head.get(name), len(outputs[name].shape))
            for name, head in several.items()
        }
        self.inputs = model.inputs
        self._image_rank = len(model.inputs[0].shape)
        self._takes_raw_images = model.backbone.takes_raw_images and self._image_rank == 4
        self._error = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._error is not None and isinstance(error, Exception):
            raise self._error from None

    def failed(self, message):
        """A `ValueError` that the context raises instead of TensorFlow's."""
        self._error = ValueError(message)
        return self._error

    def of(self, data, is_finite=False, name="train"):
        """The data, whose batches are checked when they are read.

        Args:
            data: what Keras' `fit` takes as `x`, or a tuple of arrays.
            is_finite: whether the number of steps is given, so that the data may be endless.
            name: of the data, for messages. Defaults to "train".
        """
        if isinstance(data, tf.data.Dataset):
            return self._of_dataset(data, is_finite, name)
        if isinstance(data, keras.utils.PyDataset):
            return self._of_py_dataset(data, is_finite, name)
        if isinstance(data, collections.abc.Iterator):
            if not is_finite:
                raise ValueError(endless_message(name, "a generator"))
            return self._of_generator(data)
        if isinstance(data, (tuple, list)):
            self._check_arrays(data, name)
        return data

    def _of_dataset(self, dataset, is_finite, name):
        if not is_finite and int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise ValueError(endless_message(name, "a dataset of infinite cardinality"))
        if int(dataset.cardinality()) == 0:
            raise ValueError(empty_message(name))
        spec = dataset.element_spec
        if not all(isinstance(part, tf.TensorSpec) for part in tf.nest.flatten(spec)):
            return dataset
        self._check_spec(spec, name)
        # Images and labels that the library read from files are as they should be.
        if getattr(dataset, "source", None) is not None:
            return dataset
        check = functools.partial(self._checked_batch, name)
        is_known = int(dataset.cardinality()) >= 0 or getattr(dataset, "num_images", None)
        if is_finite or is_known:
            checked = dataset.map(_PLAIN(lambda *element: check(False, element)))
            checked.only_checks = True  # for the cache, which may find its features again
            return checked
        numbered = dataset.enumerate()  # it may be endless
        return numbered.map(_PLAIN(lambda at, element: check(at >= _MOST_BATCHES, element)))

    def _checked_batch(self, name, is_too_long, element):
        fits = self._fits(element)
        is_too_long = tf.convert_to_tensor(is_too_long)
        labels = tf.nest.flatten(element[1])

        def report():
            report = functools.partial(weakly(self._report), name)
            return tf.numpy_function(report, [is_too_long, *labels], tf.bool)

        checked = tf.cond(fits & ~is_too_long, lambda: True, report)
        with tf.control_dependencies([checked, self._warn_of_preprocessed(element[0])]):
            return tf.nest.map_structure(tf.identity, element)

    def _warn_of_preprocessed(self, images):
        """Warns once of images that were preprocessed before; a bool tensor."""
        if not self._takes_raw_images or isinstance(images, dict):  # a dict: of features
            return tf.constant(False)
        images = tf.nest.flatten(images)[0]
        if not tf.as_dtype(images.dtype).is_floating:  # whole numbers were not preprocessed
            return tf.constant(False)
        # Every fourth pixel of every fourth row: all would take as long as a step on a GPU.
        images = images[:_FEW, ::4, ::4]
        low, high = tf.reduce_min(images), tf.reduce_max(images)
        is_scaled = ((low < 0) | (high <= 1)) & (low < high)
        warn = _PLAIN(lambda: tf.numpy_function(weakly(self._warn), [low, high], tf.bool))
        return tf.cond(is_scaled, warn, lambda: tf.constant(False))

    def _warn(self, low, high):
        if self._takes_raw_images:
            self._takes_raw_images = False  # once
            warnings.warn(
                f"The images of a batch lie between {low:.3g} and {high:.3g}. The model takes "
                "images in [0, 255], and its backbone holds the preprocessing: do not rescale "
                "or preprocess them before.",
                stacklevel=2,
            )
        return True

    def _of_py_dataset(self, dataset, is_finite, name):
        if dataset.num_batches is None and not is_finite:
            raise ValueError(endless_message(name, "a PyDataset without a length"))
        if dataset.num_batches == 0:
            raise ValueError(empty_message(name))
        self._check_batch(dataset[0], name)
        return dataset

    def _of_generator(self, generator):
        def batches():
            for element in generator:
                self._check_batch(element, "the generator")
                yield element

        return batches()

    def _check_arrays(self, arrays, name):
        if len(tf.nest.flatten(arrays[0])[0]) == 0:
            raise ValueError(empty_message(name))
        self._check_batch(tuple(arrays), name)

    def _check_batch(self, element, name):
        """Checks arrays, and keeps the error for the end of the context."""
        try:
            element = element if isinstance(element, tuple) else (element,)
            arrays = tf.nest.map_structure(np.asarray, element)
            self._check_spec(tf.nest.map_structure(_spec_of, arrays), name)
            if not self._fits(arrays):
                self._report(name, False, *tf.nest.flatten(arrays[1]))
            self._warn_of_preprocessed(arrays[0])
        except ValueError as error:
            self._error = error
            raise

    def _check_spec(self, spec, name):
        if not isinstance(spec, tuple) or len(spec) < 2 or spec[1] is None:
            raise ValueError(
                f"`{name}` must give images and labels. Received: images without labels"
            )
        if any(part.shape.rank is None for part in tf.nest.flatten(spec)):
            raise ValueError(
                f"It must be known how many dimensions the arrays of `{name}` have: pass "
                "`output_signature` to `tf.data.Dataset.from_generator`. "
                f"Received: {tf.nest.map_structure(lambda part: part.shape, spec)}"
            )
        images = tf.nest.flatten(spec[0])[0]
        if images.shape.rank == self._image_rank - 1 and not isinstance(spec[0], dict):
            raise ValueError(
                f"The dataset gives one image at a time: call `{name}.batch(32)`. "
                f"Received: a dataset with elements of shape {tuple(images.shape)}"
            )
        for rule, labels in self._by_rule(spec[1]):
            if isinstance(labels, tf.TensorSpec):
                rule.check_spec(labels.shape, labels.dtype)

    def _by_rule(self, labels):
        """Pairs of a rule and its part of the labels."""
        if None in self._names:
            labels = {None: labels}
        elif not isinstance(labels, dict) or set(labels) != set(self._names):
            raise ValueError(
                f"Labels must be a dict with the names of the heads, {list(self._names)}. "
                f"Received: {_kind_of(labels)}"
            )
        return [(rule, labels[name]) for name, rule in self._rules.items() if rule is not None]

    def _fits(self, element):
        """A bool tensor: whether the labels are in their range and the images are finite."""
        fits = [
            rule.fits(tf.convert_to_tensor(part)) for rule, part in self._by_rule(element[1])
        ]
        for images in tf.nest.flatten(element[0]):
            is_column = tuple(images.shape[1:]) == (1,)  # in which a cell may be missing
            if isinstance(images, np.ndarray):
                if images.dtype.kind in "OUS":
                    continue
                if is_column:
                    fits.append(not np.isinf(images).any())
                else:  # it may be large: no copy
                    fits.append(bool(np.isfinite(np.sum(images, dtype="float64"))))
            elif images.dtype.is_floating and is_column:
                fits.append(~tf.reduce_any(tf.math.is_inf(images)))
            elif images.dtype.is_floating:
                fits.append(tf.math.is_finite(tf.reduce_sum(tf.cast(images, "float32"))))
        return tf.reduce_all(tf.stack(fits)) if fits else tf.constant(True)

    def _report(self, name, is_too_long, *labels):
        """Raises the error of a batch that does not fit, and keeps it."""
        if is_too_long:
            received = f"a dataset of unknown size with more than {_MOST_BATCHES} batches"
            raise self.failed(endless_message(name, received))
        labels = list(labels) if None not in self._names else labels[0]
        if isinstance(labels, list):  # in the order of `tf.nest.flatten`
            labels = dict(zip(sorted(self._names), labels, strict=True))
        problems = [
            rule.problem(np.asarray(part))
            for rule, part in self._by_rule(labels)
            if not bool(rule.fits(tf.convert_to_tensor(part)))
        ]
        message = (
            problems[0]
            if problems
            else (
                "The images must be finite: NaN or infinity in one of them spoils all weights. "
                "Received: a batch of images with NaN or infinity"
            )
        )
        raise self.failed(message)


def _spec_of(array):
    text = array.dtype.kind in "USO"  # of which TensorFlow knows only its own kind
    return tf.TensorSpec(array.shape, tf.string if text else array.dtype)


def _kind_of(labels):
    return f"labels for {list(labels)}" if isinstance(labels, dict) else "one array of labels"


def endless_message(name, received, how=None):
    """The message about data without an end; `how` says what to do."""
    argument = {"train": "steps_per_epoch", "validation": "validation_steps"}.get(name, "steps")
    return (
        f"`{name}` must be finite: {how or f'pass `{argument}`'}, or limit a dataset with "
        f"`{name}.take(steps)`. Received: {received}"
    )


def empty_message(name, kind="dataset"):
    """The message about data without a batch."""
    return f"`{name}` holds no batch. Received: an empty {kind}"
