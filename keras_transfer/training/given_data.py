"""The data of a training, as they are given: data sets, arrays, generators."""

import collections.abc
import itertools

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._python_functions import from_generator
from keras_transfer.data.labeled_dataset import without_autotuning
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models.checked_data import empty_message, endless_message
from keras_transfer.models.input_arrays import pair_as_inputs
from keras_transfer.models.objective import without_labels
from keras_transfer.plans.plan import Plan


def as_dataset(data, name, checked, steps=None, shuffle=False, batch_size=32):
    """A finite `tf.data.Dataset` of batches, which are checked.

    Args:
        data: a `tf.data.Dataset`, a tuple of arrays, a `keras.utils.PyDataset`, a generator of
            batches, or None.
        name: of the data, for messages.
        checked: a `CheckedData`.
        steps: the number of batches in a pass over endless data. Each pass continues where the
            one before stopped.
        shuffle: whether arrays and the batches of a `PyDataset` get another order in each pass.
        batch_size: images in a batch of arrays.

    Raises:
        ValueError: if the data are endless without `steps`, or of another kind.
    """
    if data is None:
        return None
    endless = is_endless(data)
    _check_steps(data, name, steps, endless)
    if isinstance(data, tf.data.Dataset):
        if endless:
            data = _stream(iter(data), data.element_spec, steps, checked)
    elif isinstance(data, keras.utils.PyDataset) and not endless:
        data = _of_py_dataset(data, name, shuffle)
    elif endless:
        if isinstance(data, keras.utils.PyDataset):
            data = map(data.__getitem__, itertools.count())
        data = _of_generator(data, name, steps, checked)
    else:
        data = _of_arrays(pair_as_inputs(data, checked.inputs), shuffle, batch_size)
    return checked.of(data, name=name)


def others_of(model, target, memory):
    """A dict of the given ones of "target" and "memory" to finite datasets of batches.

    Raises:
        ValueError: if they are empty, endless, or not of the size that the model takes.
    """
    given = {"target": target, "memory": memory}
    found = {name: _images(model, name, one) for name, one in given.items() if one is not None}
    if "target" in found:
        found["target"] = without_labels(found["target"])
    return found


def without_source(model, target, plan):
    """Training data without a loss of the heads: the target, with labels that weigh nothing."""
    if target is None or not isinstance(plan, Plan) or not isinstance(model.heads, SoftmaxHead):
        raise ValueError(
            "Without `train`, pass `target`, a `Plan` with objectives, and a model with one "
            f"`SoftmaxHead`. Received: train=None, target={target!r:.40}, plan={plan!r:.40}, "
            f"{type(model.heads).__name__}"
        )
    images = without_labels(_images(model, "target", target))

    @tf.autograph.experimental.do_not_convert
    def weighed(batch):
        nothing = tf.zeros(tf.shape(tf.nest.flatten(batch)[0])[:1])
        return batch, tf.cast(nothing, "int32"), nothing

    return images.map(weighed)


def _images(model, name, data):
    if isinstance(data, (tuple, list)):
        data = _of_arrays(data, shuffle=True, batch_size=32)
    elif not isinstance(data, tf.data.Dataset):
        images = np.asarray(data)
        order = slices(images).shuffle(max(len(images), 1), seed=0)
        data = without_autotuning(order.batch(32))
    if int(data.cardinality()) in (0, tf.data.INFINITE_CARDINALITY):
        kind = "endless" if int(data.cardinality()) else "empty"
        raise ValueError(
            f"`{name}` must be a finite dataset with images. Received: an {kind} one"
        )
    spec = data.element_spec
    inputs = tf.nest.flatten(spec[0] if isinstance(spec, tuple) else spec)
    taken = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    shapes = [tuple(part.shape[1:]) for part in inputs]
    if len(taken) != len(shapes) or not all(
        tf.TensorShape(one).is_compatible_with(other)
        for one, other in zip(taken, shapes, strict=True)
    ):
        raise ValueError(
            f"`{name}` must give batches of images of shape {taken[0]}, as the model takes "
            f"them. Received: {shapes}"
        )
    return data


def is_endless(data):
    """Whether each pass over data gives other images, whose features cannot be cached."""
    if isinstance(data, tf.data.Dataset):
        return int(data.cardinality()) == tf.data.INFINITE_CARDINALITY
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    return isinstance(data, collections.abc.Iterator)


def _check_steps(data, name, steps, endless):
    if endless and steps is None:
        how = None if name == "train" else "pass arrays"
        is_dataset = isinstance(data, tf.data.Dataset)
        received = "a dataset of infinite cardinality" if is_dataset else "a generator"
        raise ValueError(endless_message(name, received, how))
    if steps is not None and (not endless or not isinstance(steps, int) or steps < 1):
        raise ValueError(
            "`steps_per_epoch` must be a positive integer, for endless data only: an epoch of "
            "finite data has all batches. Received: "
            f"steps_per_epoch={steps!r} for {'endless' if endless else 'finite'} data"
        )


def _of_generator(generator, name, steps, checked):
    first = next(generator, None)
    if first is None:
        raise ValueError(empty_message(name, "generator"))
    batches = map(_arrays, itertools.chain([first], generator))
    return _stream(batches, _spec_of_batches(_arrays(first)), steps, checked)


def _stream(batches, spec, steps, checked):
    """A dataset whose passes are the next `steps` batches of one iterator."""
    looked_at = []

    def next_batches():
        # A pass of a single batch was a look at the data.
        again, number = list(looked_at), 0
        looked_at.clear()
        for number, batch in enumerate(itertools.chain(again, batches), start=1):
            looked_at[:] = [batch] if number == 1 < steps else []
            yield batch
            if number == steps:
                return
        raise checked.failed(
            f"The generator ended after {number} of the {steps} batches of an epoch: pass a "
            f"smaller `steps_per_epoch`, or an endless generator. Received: {steps}"
        )

    dataset = from_generator(next_batches, spec)
    # Without a buffer, which would take batches that no pass trains on.
    return without_autotuning(dataset.apply(tf.data.experimental.assert_cardinality(steps)))


def _of_py_dataset(data, name, shuffle):
    if not data.num_batches:
        raise ValueError(empty_message(name, "PyDataset"))
    random = np.random.default_rng(0)

    def batches():
        order = np.arange(data.num_batches)
        if shuffle:
            random.shuffle(order)
        for index in order:
            yield _arrays(data[int(index)])
        data.on_epoch_end()

    spec = _spec_of_batches(_arrays(data[0]))
    dataset = from_generator(batches, spec)
    counted = dataset.apply(tf.data.experimental.assert_cardinality(data.num_batches))
    return without_autotuning(counted.prefetch(2))


def _arrays(batch):
    """A batch as arrays, floats in single precision."""

    def converted(part):
        array = np.asarray(part)
        return array.astype("float32") if array.dtype == "float64" else array

    batch = tuple(batch) if isinstance(batch, list) else batch
    return tf.nest.map_structure(converted, batch)


def _spec_of_batches(batch):
    def spec(array):
        text = array.dtype.kind in "USO"
        shape = (None, *array.shape[1:]) if array.shape else ()
        return tf.TensorSpec(shape, tf.string if text else array.dtype)

    return tf.nest.map_structure(spec, batch)


def _of_arrays(data, shuffle, batch_size):
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError(
            "Data must be a `tf.data.Dataset` of batches, a `PyDataset`, a generator, or a "
            "pair (images, labels), or (images, labels, sample_weights). "
            f"Received: {type(data).__name__}"
        )
    parts = tuple(np.asarray(part) if isinstance(part, list) else part for part in data)
    lengths = [len(part) for part in tf.nest.flatten(parts)]
    if len(set(lengths)) != 1:
        raise ValueError(
            f"Images, labels and weights must be as many. Received: {lengths} of them"
        )
    dataset = slices(parts)
    if shuffle and lengths[0]:
        dataset = dataset.shuffle(lengths[0], seed=0)
    return without_autotuning(dataset.batch(batch_size).prefetch(2))


def slices(arrays):
    """A dataset of the rows of arrays. TensorFlow would copy them to the memory of a GPU."""
    with tf.device("CPU:0"):
        return tf.data.Dataset.from_tensor_slices(arrays)


def count(dataset):
    """Steps per epoch, images per epoch, and images per step, of a finite dataset."""
    steps = int(dataset.cardinality())
    if steps == tf.data.UNKNOWN_CARDINALITY:
        steps = sum(1 for _ in dataset)
    if steps == 0:
        raise ValueError(empty_message("train"))
    batch_size = _batch_size(dataset)
    return steps, int(_num_images(dataset) or steps * batch_size), batch_size


def num_validation(dataset):
    """The number of validation images, to within a batch, or None if unknown."""
    steps = 0 if dataset is None else int(dataset.cardinality())
    if steps == tf.data.UNKNOWN_CARDINALITY and next(iter(dataset), None) is None:
        raise ValueError(empty_message("validation"))
    if steps <= 0:
        return None
    return _num_images(dataset) or steps * _batch_size(dataset)


def _num_images(dataset):
    return getattr(dataset, "num_images", None)


def _batch_size(dataset):
    # Reading one batch of a shuffled dataset would fill its whole buffer.
    source = getattr(dataset, "source", None)
    if source is not None:
        return source.batch_size
    return len(keras.tree.flatten(next(iter(dataset)))[0])
