"""Occlusion: what a class loses when a part of the picture is covered."""

import numpy as np
import tensorflow as tf

from keras_transfer.models.head_outputs import (
    chosen_classes,
    class_scores,
    head_logits,
    head_outputs,
    output_layer,
)
from keras_transfer.models.image_batches import check_images, check_positive, in_batches, traced

_PATCHES_A_SIDE = 6
_MEASURES = {"logit": head_logits, "probability": head_outputs}


def occlusion(
    model,
    images,
    class_index=None,
    patch=None,
    stride=None,
    fill="mean",
    measure="logit",
    head=None,
    batch_size=32,
):
    """How much a class loses where the picture is covered by a square.

    It asks nothing of the network but its output, and so is the slowest and the least
    disputable: one pass for each place of the square. A pixel's value is the mean over the
    squares that cover it.

    Args:
        model: a `TransferModel`; it is not changed.
        images: `(pictures, height, width, channels)` in [0, 255].
        class_index: an integer, or one for each picture. Defaults to None, the class that the
            head finds most probable for each.
        patch: the side of the square in pixels. Defaults to None, a sixth of the shorter side.
        stride: from one place to the next, in pixels, at most `patch`. Defaults to None, half
            of it.
        fill: what the square shows: a pixel value, one for each colour, or `"mean"`, the mean
            colour of the picture. Defaults to `"mean"`.
        measure: `"logit"`, or `"probability"` for what comes out of the head's activation.
            Defaults to `"logit"`, which does not saturate.
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: how many pictures are computed at once. Defaults to 32.

    Returns:
        A float32 array `(pictures, height, width)`: the drop, in units of the measure; negative
        where the class gains.

    Raises:
        ValueError: for an argument that does not fit.

    Reference: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013,
    section 4.2.
    """
    images = check_images(model, images)
    if measure not in _MEASURES:
        raise ValueError(f"`measure` must be one of {list(_MEASURES)}. Received: {measure!r}")
    patch, stride = _check_sizes(images.shape[1:3], patch, stride)
    layer = output_layer(model, head)
    classes = chosen_classes(model, images, class_index, head, batch_size)
    fill = _check_fill(fill, images.shape[-1])

    def scores(pictures, classes):
        return class_scores(_MEASURES[measure](model, pictures, layer), classes)

    compute = traced(scores, images.shape[1:], tf.TensorSpec((None,), "int32"))

    def drops(pictures, classes):
        # A mean of its own for each picture; NumPy would take it in float32 as well.
        colour = pictures.mean(axis=(1, 2), keepdims=True) if fill is None else fill
        return _drops(compute, pictures, classes, colour, patch, stride)

    return in_batches(drops, [images, classes], batch_size)


def _drops(compute, pictures, classes, colour, patch, stride):
    """The mean drop of the squares that cover each pixel."""
    total = np.zeros(pictures.shape[:3], "float32")
    count = np.zeros(pictures.shape[1:3], "float32")
    whole = compute(pictures, classes).numpy()
    for top in _starts(pictures.shape[1], patch, stride):
        for left in _starts(pictures.shape[2], patch, stride):
            square = slice(top, top + patch), slice(left, left + patch)
            covered = pictures.copy()
            covered[(slice(None), *square)] = colour
            drop = whole - compute(covered, classes).numpy()
            total[(slice(None), *square)] += drop[:, np.newaxis, np.newaxis]
            count[square] += 1
    return total / count


def _starts(size, patch, stride):
    """Where the squares begin; the last one ends at the border."""
    last = max(size - patch, 0)
    return sorted({*range(0, last, stride), last})


def _check_sizes(size, patch, stride):
    patch = max(min(size) // _PATCHES_A_SIDE, 1) if patch is None else patch
    check_positive("patch", patch)
    stride = max(patch // 2, 1) if stride is None else stride
    check_positive("stride", stride)
    if patch > min(size) or stride > patch:
        raise ValueError(
            f"`patch` must fit into the picture of {size[0]} by {size[1]} pixels, and `stride` "
            "must be at most `patch`, so that no pixel is left out. "
            f"Received: patch={patch}, stride={stride}"
        )
    return patch, stride


def _check_fill(fill, num_channels):
    """The colour of the square; None for each picture's mean."""
    if isinstance(fill, str) and fill == "mean":
        return None
    colour = np.asarray(fill)
    if colour.dtype.kind not in "iuf" or colour.shape not in ((), (num_channels,)):
        raise ValueError(
            f"`fill` must be 'mean', a number, or {num_channels} numbers. "
            f"Received: fill={fill!r}"
        )
    return colour.astype("float32")
