"""Which images excite a channel most, and what in them does."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.explanations.receptive_regions import receptive_regions
from keras_transfer.explanations.stage_grids import as_grid, stage_operation
from keras_transfer.features.pooled import unaugmented
from keras_transfer.models import TransferModel
from keras_transfer.models.checks import as_backbone
from keras_transfer.models.head_outputs import infer, run_layers
from keras_transfer.models.image_batches import (
    check_images,
    check_positive,
    over_batches,
    traced,
)

_DEFAULT_CHANNELS = 8
_BATCHES_AHEAD = 2
# Activations that are positive exactly where their input is. Sigmoids gate other values, so
# they keep their plain gradient.
_RECTIFIERS = {
    "celu", "elu", "gelu", "hardsilu", "hardswish", "leakyrelu", "mish", "prelu", "relu",
    "relu6", "selu", "silu", "swish",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class ExcitingImages:
    """The images that excite one channel of a stage most, in the order of their activation.

    Attributes:
        stage: the name of the operation that the channel belongs to.
        channel: the number of the channel.
        indices: an integer array, the numbers of the images in the dataset.
        activations: a float32 array, the highest activation in each image.
        positions: an integer array `(images, 2)`, its row and column in the stage's grid.
        regions: an integer array `(images, 4)`, the receptive field of this position in pixels
            as `(top, left, bottom, right)`, bottom and right excluded.
        images: a float32 array `(images, height, width, channels)` in [0, 255].
        projections: an array of the same shape: the gradient of the activation with respect to
            the pixels, by guided backpropagation.
    """

    stage: str
    channel: int
    indices: np.ndarray
    activations: np.ndarray
    positions: np.ndarray
    regions: np.ndarray
    images: np.ndarray
    projections: np.ndarray

    def cropped(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The receptive field in image `number` and in its projection, as two arrays."""
        top, left, bottom, right = self.regions[number]
        part = slice(top, bottom), slice(left, right)
        return self.images[number][part], self.projections[number][part]


def most_exciting(
    model: TransferModel | keras.Model,
    dataset: tf.data.Dataset | np.ndarray,
    stage: str,
    channels: list[int] | None = None,
    num_images: int = 9,
    batch_size: int = 32,
) -> tuple[ExcitingImages, ...]:
    """The images of a dataset with the highest activation of each channel, and its cause.

    The dataset is read once; only the best images so far are kept. Guided backpropagation shows
    which pixels cause an activation: gradients pass a ReLU only where both they and its input
    are positive. Smooth rectifiers (swish, GELU) keep their slope there.

    Args:
        model: a `TransferModel`, a `Backbone` or a functional model of Keras. It does not
            change.
        dataset: an array of images in [0, 255], or a `tf.data.Dataset` of batches of images or
            of tuples that start with images. Shuffling and augmentation are left out if the
            dataset comes from `keras_transfer.data`.
        stage: the name of a stage, such as `"stage4"`, or of any layer of the backbone whose
            output is `(batch, rows, columns, channels)` or a square number of tokens.
        channels: the numbers of the channels. Defaults to None, the first eight.
        num_images: the number of images for each channel. Defaults to 9.
        batch_size: the number of images computed at once. Defaults to 32.

    Returns:
        A tuple of `ExcitingImages`, one for each channel, with fewer images if the dataset has
        fewer.

    Raises:
        ValueError: if the stage has no positions, a channel does not exist, the images do not
            fit the model, or the dataset is empty.

    Example:

    >>> first, second = explanations.most_exciting(backbone, images, "stage2", [0, 3])
    >>> second.channel, second.images.shape
    (3, (9, 16, 16, 3))

    Reference: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013,
    section 4; Springenberg et al., Striving for Simplicity: The All Convolutional Net, 2015,
    section 3.4.
    """
    check_positive("num_images", num_images)
    check_positive("batch_size", batch_size)
    backbone = model.backbone if isinstance(model, TransferModel) else as_backbone(model)
    name = stage_operation(backbone, stage)
    part = keras.Model(backbone.inputs[0], graph.output_of(backbone, name))
    channels = _check_channels(channels, part.output_shape[-1])
    best, kept = _find(part, dataset, channels, num_images, batch_size)

    indices, positions = best[..., 1].astype(int), best[..., 2:].astype(int)
    images = np.stack([kept[index] for index in indices.flat])
    places = positions.reshape(-1, 2)
    regions = receptive_regions(part, places, images.shape[1:3])
    of_channel = np.repeat(channels, indices.shape[1])
    projections = guided_projections(part, images, of_channel, places, batch_size)
    by_channel = (np.split(array, len(channels)) for array in (regions, images, projections))
    activations = best[..., 0].astype("float32")
    rows = zip(channels, indices, activations, positions, *by_channel, strict=True)
    return tuple(ExcitingImages(name, *fields) for fields in rows)


def _check_channels(channels, num_channels):
    if channels is None:
        return list(range(min(num_channels, _DEFAULT_CHANNELS)))
    found = np.asarray(channels)
    is_fit = found.ndim == 1 and found.size and found.dtype.kind in "iu"
    if not is_fit or not np.all((found >= 0) & (found < num_channels)):
        raise ValueError(
            f"`channels` must be a list of integers, at least 0 and below {num_channels}. "
            f"Received: channels={channels!r}"
        )
    return found.tolist()


def _find(part, dataset, channels, num_images, batch_size):
    """`(channels, images, 4)` of activation, index, row and column; and images by index."""
    best, kept, start, compute = np.zeros((len(channels), 0, 4)), {}, 0, None

    def highest(images):
        features = tf.gather(as_grid(part(images, training=False)), channels, axis=-1)
        shape = tf.shape(features)
        flat = tf.reshape(features, (shape[0], shape[1] * shape[2], len(channels)))
        place = tf.argmax(flat, axis=1, output_type="int32")
        return tf.reduce_max(flat, axis=1), place // shape[2], place % shape[2]

    for images in _images_in_order(dataset, batch_size):
        images = check_images(part, images)
        compute = compute or traced(highest, images)
        activations, rows, columns = (values.numpy().T for values in compute(images))
        numbers = np.broadcast_to(start + np.arange(len(images)), rows.shape)
        found = np.stack([activations, numbers, rows, columns], axis=-1)
        every = np.concatenate([best, found], axis=1)
        # Stable: of images with equal activations the first one stays.
        order = np.argsort(-every[..., 0], axis=1, kind="stable")[:, :num_images]
        best = np.take_along_axis(every, order[..., np.newaxis], axis=1)
        batch = dict(enumerate(images, start=start))
        wanted = set(best[..., 1].astype(int).flat)
        kept = {i: kept[i] if i in kept else batch[i].copy() for i in wanted}
        start += len(images)
    if not start:
        raise ValueError("The dataset holds no image. Received: an empty dataset")
    return best, kept


def _images_in_order(dataset, batch_size):
    """Yields float32 batches in the order of the dataset's source, without augmentation."""
    if not isinstance(dataset, tf.data.Dataset):
        images = np.asarray(dataset, "float32")
        yield from (images[i : i + batch_size] for i in range(0, len(images), batch_size))
        return
    dataset = unaugmented(dataset)
    source = getattr(dataset, "source", None)
    examples = dataset.unbatch() if source is None else source.examples()
    for element in examples.batch(batch_size).prefetch(_BATCHES_AHEAD):
        images = element[0] if isinstance(element, tuple) else element
        yield images.numpy().astype("float32")


def guided_projections(part, images, channels, positions, batch_size=32):
    """The guided gradient of one feature for each image: an array of the images' shape."""

    def project(batch, places):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)
            features = as_grid(run_layers(part, batch, _guided))
            values = tf.gather_nd(features, places, batch_dims=1)
        return tape.gradient(values, batch)

    places = np.column_stack([positions, channels]).astype("int32")
    return over_batches(project, [images, places], batch_size)


def _guided(operation, *args, **kwargs):
    output = infer(operation, *args, **kwargs)
    return _pass_positive(output) if is_rectifier(operation) else output


def is_rectifier(operation):
    """Whether an operation is a rectifier or ends in one (`Conv2D(activation="relu")`)."""
    activation = getattr(operation, "activation", None)
    name = getattr(activation, "__name__", None) or type(operation).__name__
    return name.lower().replace("_", "") in _RECTIFIERS


@tf.custom_gradient
def _pass_positive(values):
    """The identity, whose gradient is positive and passes only where the values are."""

    def gradient(upstream):
        passes = (upstream > 0) & (values > 0)
        return tf.where(passes, upstream, tf.zeros_like(upstream))

    return tf.identity(values), gradient
