"""Integrated gradients: what each pixel adds to the logit of a class."""

import contextlib

import numpy as np
import tensorflow as tf

from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import check_explained, class_values
from keras_transfer.models.image_batches import check_positive, in_batches, traced

# Share of the shorter side: no shape is left.
_BLUR = 0.1


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

    return in_batches(attribute, [images, classes, _starts(images, baseline)], batch_size)


def _starts(images, baseline):
    """The baseline of each image, as float32."""
    if isinstance(baseline, str) and baseline == "blur":
        from scipy import ndimage

        sigma = _BLUR * min(images.shape[1:3])
        blurred = images.astype("float32")
        return ndimage.gaussian_filter(blurred, (0, sigma, sigma, 0), mode="nearest")
    values = np.asarray(baseline)
    if values.dtype.kind in "iuf":
        with contextlib.suppress(ValueError):
            return np.broadcast_to(values.astype("float32"), images.shape)
    raise ValueError(
        "`baseline` must be a number, an array that broadcasts to the images' shape "
        f"{images.shape}, or 'blur'. Received: baseline={baseline!r}"
    )
