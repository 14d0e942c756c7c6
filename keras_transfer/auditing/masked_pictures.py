"""Pictures of which only a part is left."""

import numpy as np

from keras_transfer.data import LabeledDataset
from keras_transfer.data.image_source import ImageSource

# Shares of a side: the width of the frame, and the side of a corner.
_FRAME, _CORNER = 1 / 8, 1 / 5
_GREY = 127.5


def border(height, width):
    """True where the frame of a picture is, a bool array of shape `(height, width)`."""
    rows, columns = (max(1, round(_FRAME * side)) for side in (height, width))
    kept = np.ones((height, width), bool)
    kept[rows : height - rows, columns : width - columns] = False
    return kept


def corners(height, width):
    """True where the four corners of a picture are, a bool array of shape `(height, width)`."""
    rows, columns = (max(1, round(_CORNER * side)) for side in (height, width))
    kept = np.zeros((height, width), bool)
    for vertical in (slice(None, rows), slice(height - rows, None)):
        for horizontal in (slice(None, columns), slice(width - columns, None)):
            kept[vertical, horizontal] = True
    return kept


def masked(dataset, part):
    """A dataset whose pictures are grey but for a part of them.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`, or of images.
        part: `border` or `corners`.

    Returns:
        A dataset of the same pictures in the same order. Features of it are found again where
        those of `dataset` are.
    """
    source = getattr(dataset, "source", None)
    shown = dataset.map(_mask(part))
    if source is None or source.draws_differ:
        return shown

    def examples(start=0):
        return source.examples(start).map(_mask(part))

    hidden = ImageSource(
        examples,
        source.num_images,
        f"{source.fingerprint}-{part.__name__}",
        source.batch_size,
        source.shuffle,
        source.seed,
        fixed_order=source.fixed_order,
    )
    return LabeledDataset(shown, dataset.class_names, source.num_images, hidden)


def _mask(part):
    def hide(images, *labels):
        height, width = images.shape[-3:-1]
        kept = part(height, width)[..., np.newaxis].astype("float32")
        images = images * kept + (1 - kept) * _GREY
        return (images, *labels) if labels else images

    return hide
