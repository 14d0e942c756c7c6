"""Grad-CAM: where a network sees a class."""

import tensorflow as tf

from keras_transfer.explanations.class_activation import class_activation_maps


def grad_cam(model, images, class_index=None, stage=None, head=None, batch_size=32):
    """Maps of where in the pictures a network sees a class.

    Each channel of a stage is weighted by the mean of the gradient of the class's logit over
    the positions; the map is the positive part of the weighted sum. It is coarse, as the stage
    is, and tells classes apart. The model is not changed; frozen layers let the gradient pass,
    and all layers run in inference mode.

    Args:
        model: a `TransferModel`.
        images: `(pictures, height, width, channels)` in [0, 255], hundreds if need be.
        class_index: an integer, or one for each picture. Defaults to None, the class that the
            head finds most probable for each.
        stage: the name of a stage, such as `"stage4"`, or of any layer whose output is
            `(batch, rows, columns, channels)` or a square of tokens. Defaults to None, the
            last stage with more than one position.
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: how many pictures are computed at once. Defaults to 32.

    Returns:
        A float32 array `(pictures, height, width)` in [0, 1]: 1 at the highest position of
        each picture, 0 everywhere where none speaks for the class.

    Raises:
        ValueError: for pictures that do not fit, and a class, a head or a stage that is not
            there or has no positions.

    Reference: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization, 2017, equations 1 and 2.
    """
    return class_activation_maps(
        model, images, _mean_gradient, class_index, stage, head, batch_size
    )


def _mean_gradient(features, gradients):
    return tf.reduce_mean(gradients, axis=(1, 2))
