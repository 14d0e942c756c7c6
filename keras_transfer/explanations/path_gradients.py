"""Integrated gradients: what each pixel adds to a class."""

import numpy as np
import tensorflow as tf

from keras_transfer.models.head_outputs import (
    chosen_classes,
    class_scores,
    head_logits,
    output_layer,
)
from keras_transfer.models.image_batches import check_images, check_positive, in_batches, traced

# Of the shorter side: nothing of a shape is left.
_BLUR = 0.1


def integrated_gradients(
    model, images, class_index=None, baseline=0, steps=32, head=None, batch_size=32
):
    """What each pixel adds to a class's logit, counted from a picture that shows nothing.

    The gradient is averaged along the straight line from the baseline to the picture and
    multiplied by their difference. All attributions of a picture add up to the difference of
    the logits of the picture and of the baseline (completeness), the more exactly the more
    steps are taken. The integral is taken at the steps' midpoints, whose error falls with the
    square of their number.

    Args:
        model: a `TransferModel`; it is not changed.
        images: `(pictures, height, width, channels)` in [0, 255]; the raw pixels are explained.
        class_index: an integer, or one for each picture. Defaults to None, the class that the
            head finds most probable for each.
        baseline: the pixel value that stands for nothing, an array that broadcasts to
            the pictures, or `"blur"` for each picture out of focus. Defaults to 0, black:
            what is black in the picture then never counts.
        steps: how many points of the line are taken. Defaults to 32.
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: how many pictures are computed at once. Defaults to 32.

    Returns:
        A float32 array of the pictures' shape, in units of the logit; negative where a pixel
        speaks against the class.

    Raises:
        ValueError: for pictures, a baseline or steps that do not fit, and a class or a head
            that is not there.

    Reference: Sundararajan et al., Axiomatic Attribution for Deep Networks, 2017, equations 1
    and 3.
    """
    images = check_images(model, images)
    check_positive("steps", steps)
    layer = output_layer(model, head)
    baseline = _baseline(images, baseline)
    classes = chosen_classes(model, images, class_index, head, batch_size)

    def gradients(pictures, classes):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pictures)
            scores = class_scores(head_logits(model, pictures, layer), classes)
        return tape.gradient(scores, pictures)

    compute = traced(gradients, images.shape[1:], tf.TensorSpec((None,), "int32"))

    def attribute(pictures, classes, start):
        start = _blurred(pictures) if baseline is None else start.astype("float32")
        difference, total = pictures - start, 0.0
        for step in range(steps):
            total += compute(start + (step + 0.5) / steps * difference, classes).numpy()
        return difference * total / steps

    starts = np.broadcast_to(0 if baseline is None else baseline, images.shape)
    return in_batches(attribute, [images, classes, starts], batch_size)


def _baseline(images, baseline):
    """An array that broadcasts to the pictures; None where each is blurred."""
    if isinstance(baseline, str) and baseline == "blur":
        return None
    values = np.asarray(baseline)
    if values.dtype.kind in "iuf":
        try:
            return np.broadcast_to(values, images.shape)
        except ValueError:
            pass
    raise ValueError(
        "`baseline` must be a number, an array that broadcasts to the pictures' shape "
        f"{images.shape}, or 'blur'. Received: baseline={baseline!r}"
    )


def _blurred(pictures):
    from scipy import ndimage

    sigma = _BLUR * min(pictures.shape[1:3])
    return ndimage.gaussian_filter(pictures, (0, sigma, sigma, 0), mode="nearest")
