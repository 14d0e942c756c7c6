"""Which pictures excite a channel most, and what in them does."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.backbones import graph
from keras_transfer.explanations.exciting_pictures import ExcitingPictures
from keras_transfer.explanations.guided_backpropagation import guided_projections
from keras_transfer.explanations.pictures_in_order import pictures_in_order
from keras_transfer.explanations.receptive_regions import receptive_regions
from keras_transfer.explanations.stage_grids import as_grid, stage_operation
from keras_transfer.models.image_batches import check_images, check_positive, traced

_FEW_CHANNELS = 8


def most_exciting(
    model_or_backbone, dataset, stage, channels=None, num_pictures=9, batch_size=32
):
    """The pictures of a data set that excite each of some channels most, and what in them does.

    The data set is read once; only the pictures that are found so far are kept. What excited
    a channel is projected back to the pixels by guided backpropagation: gradients pass through
    ReLU, ReLU6, swish and GELU only where both they and the input are positive (the smooth ones
    keep their slope there).

    Args:
        model_or_backbone: a `TransferModel` or a `Backbone`; it is not changed.
        dataset: an array of pictures in [0, 255], or a `tf.data.Dataset` of batches of pictures
            or of tuples that start with pictures. Shuffling and random changes are left out
            where the data set's source is known.
        stage: the name of a stage, such as `"stage4"`, or of any layer of the backbone whose
            output is `(batch, rows, columns, channels)` or a square of tokens.
        channels: the numbers of the channels. Defaults to None, the first eight.
        num_pictures: how many to find for each channel. Defaults to 9.
        batch_size: how many pictures are computed at once. Defaults to 32.

    Returns:
        A tuple of `ExcitingPictures`, one for each channel. A data set with fewer pictures
        gives fewer.

    Raises:
        ValueError: for a stage without positions, channels that there are not, pictures that do
            not fit, or a data set without any.

    Reference: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013,
    section 4; Springenberg et al., Striving for Simplicity: The All Convolutional Net, 2015,
    section 3.4.
    """
    check_positive("num_pictures", num_pictures)
    check_positive("batch_size", batch_size)
    backbone = getattr(model_or_backbone, "backbone", model_or_backbone)
    name = stage_operation(backbone, stage)
    output = graph.output_of(backbone, name)
    channels = _check_channels(channels, output.shape[-1])
    part = keras.Model(backbone.inputs[0], output)
    best, kept = _find(part, dataset, channels, num_pictures, batch_size)
    return _described(backbone, name, channels, best, kept, batch_size)


def _check_channels(channels, num_channels):
    if channels is None:
        return list(range(min(num_channels, _FEW_CHANNELS)))
    found = np.asarray(channels)
    is_fit = found.ndim == 1 and found.size and found.dtype.kind in "iu"
    if not is_fit or not np.all((found >= 0) & (found < num_channels)):
        raise ValueError(
            f"`channels` must be a list of integers, at least 0 and below {num_channels}. "
            f"Received: channels={channels!r}"
        )
    return [int(channel) for channel in found]


class _Best:
    """The highest activations so far of each channel."""

    def __init__(self, num_channels, num_pictures):
        self.activations = np.full((num_channels, num_pictures), -np.inf, "float32")
        self.indices = np.full((num_channels, num_pictures), -1)
        self.positions = np.zeros((num_channels, num_pictures, 2), int)

    def add(self, activations, positions, start):
        """Takes in a batch: `(channels, pictures)`, and the same with rows and columns."""
        indices = np.broadcast_to(start + np.arange(activations.shape[1]), activations.shape)
        number = self.indices.shape[1]
        every = np.concatenate([self.activations, activations], axis=1)
        # Stable: of equal pictures the first one stays.
        order = np.argsort(-every, axis=1, kind="stable")[:, :number]
        self.activations = np.take_along_axis(every, order, axis=1)
        every = np.concatenate([self.indices, indices], axis=1)
        self.indices = np.take_along_axis(every, order, axis=1)
        every = np.concatenate([self.positions, positions], axis=1)
        self.positions = np.take_along_axis(every, order[..., np.newaxis], axis=1)


def _find(part, dataset, channels, num_pictures, batch_size):
    """The highest activations of each channel, and a dict of index to picture."""
    best, kept, start, compute = _Best(len(channels), num_pictures), {}, 0, None
    for pictures in pictures_in_order(dataset, batch_size):
        pictures = check_images(part, pictures)
        compute = compute or _highest(part, channels, pictures.shape[1:])
        activations, rows, columns = (values.numpy().T for values in compute(pictures))
        best.add(activations, np.stack([rows, columns], axis=-1), start)
        batch = dict(enumerate(pictures, start=start))
        wanted = {int(index) for index in best.indices.flat if index >= 0}
        kept = {i: kept[i] if i in kept else batch[i].copy() for i in wanted}
        start += len(pictures)
    if not start:
        raise ValueError("The data set holds no picture. Received: an empty dataset")
    return best, kept


def _highest(part, channels, image_shape):
    """A function of pictures: the highest activation of each channel, its row and column."""

    def highest(pictures):
        features = tf.gather(as_grid(part(pictures, training=False)), channels, axis=-1)
        shape = tf.shape(features)
        flat = tf.reshape(features, (shape[0], shape[1] * shape[2], len(channels)))
        place = tf.argmax(flat, axis=1, output_type="int32")
        return tf.reduce_max(flat, axis=1), place // shape[2], place % shape[2]

    return traced(highest, image_shape)


def _described(backbone, name, channels, best, kept, batch_size):
    """The `ExcitingPictures` of each channel; all are projected back in one go."""
    found = best.indices >= 0
    owners, _ = np.nonzero(found)  # channel by channel
    pictures = np.stack([kept[index] for index in best.indices[found].tolist()])
    positions = best.positions[found]
    regions = receptive_regions(backbone, name, positions, pictures.shape[1:3])
    wanted = np.array(channels)[owners]
    projections = guided_projections(backbone, pictures, name, wanted, positions, batch_size)
    return tuple(
        ExcitingPictures(
            stage=name,
            channel=channel,
            indices=best.indices[number][found[number]],
            activations=best.activations[number][found[number]],
            positions=positions[owners == number],
            regions=regions[owners == number],
            pictures=pictures[owners == number],
            projections=projections[owners == number],
        )
        for number, channel in enumerate(channels)
    )
