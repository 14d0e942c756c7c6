"""Occlusion: how far the score of a class drops when a part of the image is covered."""

import numpy as np

from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import check_explained, class_values
from keras_transfer.models.image_batches import check_positive, in_batches, traced

_PATCHES_PER_SIDE = 6
_MEASURES = ("logit", "probability")


def occlusion(
    model: TransferModel,
    images: np.ndarray,
    class_index: int | np.ndarray | None = None,
    patch: int | None = None,
    stride: int | None = None,
    fill: float | np.ndarray | str = "mean",
    measure: str = "logit",
    head: str | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """How far the score of a class drops where a square patch covers the image.

    It needs only the model's output, so it is the slowest of the explanations and the one with
    the fewest assumptions: one forward pass for each place of the patch. A pixel's value is the
    mean over the patches that cover it. The model does not change.

    Args:
        model: a `TransferModel`.
        images: `(images, height, width, channels)` in [0, 255].
        class_index: an integer, or one for each image. Defaults to None, the most probable
            class of each image.
        patch: the side of the patch in pixels. Defaults to None, a sixth of the shorter side.
        stride: the step between places in pixels, at most `patch`. Defaults to None, half of
            `patch`.
        fill: the patch's colour: a pixel value, one for each channel, or `"mean"`, the mean
            colour of the image. Defaults to `"mean"`.
        measure: the score: `"logit"`, or `"probability"` for the head's output after its
            activation. Defaults to `"logit"`, which does not saturate.
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: the number of images computed at once. Defaults to 32.

    Returns:
        A float32 array `(images, height, width)`: the drop of the score, negative where the
        score rises.

    Raises:
        ValueError: if an argument does not fit.

    Example:

    >>> explanations.occlusion(model, images, patch=4, stride=4).shape
    (9, 16, 16)

    Reference: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013,
    section 4.2.
    """
    if measure not in _MEASURES:
        raise ValueError(f"`measure` must be one of {list(_MEASURES)}. Received: {measure!r}")
    images, layer, classes = check_explained(model, images, class_index, head, batch_size)
    patch, stride = _check_sizes(images.shape[1:3], patch, stride)
    fill = _check_fill(fill, images.shape[-1])

    def scores(batch, classes):
        return class_values(model, batch, layer, classes, activated=measure == "probability")

    compute = traced(scores, images, classes)

    def drops(batch, classes):
        colour = batch.mean(axis=(1, 2), keepdims=True) if fill is None else fill
        return _mean_drops(compute, batch, classes, colour, patch, stride)

    return in_batches(drops, [images, classes], batch_size)


def _mean_drops(compute, images, classes, colour, patch, stride):
    """The mean drop over the patches that cover each pixel."""
    total = np.zeros(images.shape[:3], "float32")
    count = np.zeros(images.shape[1:3], "float32")
    whole = compute(images, classes).numpy()
    for top in _starts(images.shape[1], patch, stride):
        for left in _starts(images.shape[2], patch, stride):
            square = slice(top, top + patch), slice(left, left + patch)
            covered = images.copy()
            covered[(slice(None), *square)] = colour
            drop = whole - compute(covered, classes).numpy()
            total[(slice(None), *square)] += drop[:, np.newaxis, np.newaxis]
            count[square] += 1
    return total / count


def _starts(size, patch, stride):
    """Where the patches begin; the last one ends at the border."""
    return sorted({*range(0, size - patch, stride), size - patch})


def _check_sizes(size, patch, stride):
    patch = max(min(size) // _PATCHES_PER_SIDE, 1) if patch is None else patch
    check_positive("patch", patch)
    stride = max(patch // 2, 1) if stride is None else stride
    check_positive("stride", stride)
    if patch > min(size) or stride > patch:
        raise ValueError(
            f"`patch` must fit into the image of {size[0]} by {size[1]} pixels, and `stride` "
            "must be at most `patch`, so that every pixel is covered. "
            f"Received: patch={patch}, stride={stride}"
        )
    return patch, stride


def _check_fill(fill, num_channels):
    """The colour of the patch; None for each image's mean."""
    if isinstance(fill, str) and fill == "mean":
        return None
    colour = np.asarray(fill)
    if colour.dtype.kind not in "iuf" or colour.shape not in ((), (num_channels,)):
        raise ValueError(
            f"`fill` must be 'mean', a number, or {num_channels} numbers. "
            f"Received: fill={fill!r}"
        )
    return colour.astype("float32")
