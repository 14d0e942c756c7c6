"""Attribution maps relative to a baseline: integrated gradients and occlusion."""

import contextlib

import numpy as np
import tensorflow as tf

from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import check_explained, class_values
from keras_transfer.models.image_batches import check_positive, in_batches, traced

# Standard deviation of the blur as a share of the shorter side: no shape is left.
_BLUR = 0.1
_PATCHES_PER_SIDE = 6


def integrated_gradients(
    model: TransferModel,
    images: np.ndarray,
    class_index: int | np.ndarray | None = None,
    baseline: float | np.ndarray | str = 0,
    steps: int = 32,
    head: str | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """What each pixel adds to the logit of a class, relative to a baseline image.

    The gradient is averaged along the straight line from the baseline to the image and
    multiplied by their difference. The attributions of an image add up to the difference of
    the logits of image and baseline (completeness), up to the error of the midpoint rule, which
    falls with the square of `steps`. The model does not change.

    Args:
        model: a `TransferModel`.
        images: `(images, height, width, channels)` in [0, 255].
        class_index: an integer, or one for each image. Defaults to None, the most probable
            class of each image.
        baseline: a pixel value, an array that broadcasts to the images, or `"blur"` for each
            image blurred. Defaults to 0, black: black pixels then get no attribution.
        steps: the number of points on the line. Defaults to 32.
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: the number of images computed at once. Defaults to 32.

    Returns:
        A float32 array of the shape of `images`, in units of the logit; negative where a pixel
        lowers it.

    Raises:
        ValueError: if the images, the baseline or the steps do not fit, or there is no such
            class or head.

    Example:

    >>> explanations.integrated_gradients(model, images, steps=8).shape
    (9, 16, 16, 3)

    Reference: Sundararajan et al., Axiomatic Attribution for Deep Networks, 2017, equations 1
    and 3.
    """
    check_positive("steps", steps)
    images, layer, classes = check_explained(model, images, class_index, head, batch_size)

    def gradients(batch, classes):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)
            scores = class_values(model, batch, layer, classes)
        return tape.gradient(scores, batch)

    compute = traced(gradients, images, classes)

    def attribute(batch, classes, start):
        difference, total = batch - start, 0.0
        for step in range(steps):
            total += compute(start + (step + 0.5) / steps * difference, classes).numpy()
        return difference * total / steps

    starts = _baseline(images, "baseline", baseline, {"blur": _blurred})
    return in_batches(attribute, [images, classes, starts], batch_size)


def occlusion(
    model: TransferModel,
    images: np.ndarray,
    class_index: int | np.ndarray | None = None,
    patch: int | None = None,
    stride: int | None = None,
    fill: float | np.ndarray | str = "mean",
    head: str | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """How far the logit of a class drops where a square patch covers the image.

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
        fill: what the patch shows: a pixel value, an array that broadcasts to the images, such
            as a colour, or `"mean"`, the mean colour of each image. Defaults to `"mean"`.
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: the number of images computed at once. Defaults to 32.

    Returns:
        A float32 array `(images, height, width)`: the drop of the logit, negative where it
        rises.

    Raises:
        ValueError: if an argument does not fit.

    Example:

    >>> explanations.occlusion(model, images, patch=4, stride=4).shape
    (9, 16, 16)

    Reference: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013,
    section 4.2.
    """
    images, layer, classes = check_explained(model, images, class_index, head, batch_size)
    patch, stride = _check_sizes(images.shape[1:3], patch, stride)

    def scores(batch, classes):
        return class_values(model, batch, layer, classes)

    compute = traced(scores, images, classes)

    def mean_drops(batch, classes, fill):
        total, count = np.zeros((2, *batch.shape[:3]), "float32")
        whole = compute(batch, classes).numpy()
        for top in _starts(batch.shape[1], patch, stride):
            for left in _starts(batch.shape[2], patch, stride):
                square = np.s_[:, top : top + patch, left : left + patch]
                covered = batch.copy()
                covered[square] = fill[square]
                drop = whole - compute(covered, classes).numpy()
                total[square] += drop[:, np.newaxis, np.newaxis]
                count[square] += 1
        return total / count

    fills = _baseline(images, "fill", fill, {"mean": _mean_colour})
    return in_batches(mean_drops, [images, classes, fills], batch_size)


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


def _baseline(images, name, value, computed):
    """A baseline of the images' shape; `computed` maps a name to a function of the images."""
    if isinstance(value, str) and value in computed:
        value = computed[value](images.astype("float32"))
    values = np.asarray(value)
    if values.dtype.kind in "iuf":
        with contextlib.suppress(ValueError):
            return np.broadcast_to(values.astype("float32"), images.shape)
    raise ValueError(
        f"`{name}` must be a number, an array that broadcasts to the images' shape "
        f"{images.shape}, or {list(computed)}. Received: {name}={value!r}"
    )


def _blurred(images):
    from scipy import ndimage

    sigma = _BLUR * min(images.shape[1:3])
    return ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest")


def _mean_colour(images):
    return images.mean(axis=(1, 2), keepdims=True)
