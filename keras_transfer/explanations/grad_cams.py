"""Grad-CAM and Grad-CAM++: where a network sees a class."""

import numpy as np
import tensorflow as tf

from keras_transfer.explanations.stage_grids import as_grid, stage_operation
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import check_explained, class_values
from keras_transfer.models.image_batches import over_batches


def grad_cam(
    model: TransferModel,
    images: np.ndarray,
    class_index: int | np.ndarray | None = None,
    stage: str | None = None,
    head: str | None = None,
    batch_size: int = 32,
    plus_plus: bool = False,
) -> np.ndarray:
    """Maps of the positions that raise the logit of a class, by Grad-CAM or Grad-CAM++.

    A map is the positive part of a weighted sum of a stage's channels, resized to the images.
    It is as coarse as the stage and differs between classes. Grad-CAM weights a channel by the
    mean gradient of the logit over the positions. Grad-CAM++ finds small and repeated objects
    better: it takes positive gradients only and weights each position by how much it alone
    changes the exponential of the logit.

    The model does not change. All layers run in inference mode, and gradients pass through
    frozen layers.

    Args:
        model: a `TransferModel`.
        images: `(images, height, width, channels)` in [0, 255].
        class_index: an integer, or one for each image. Defaults to None, the most probable
            class of each image.
        stage: the name of a stage, such as `"stage4"`, or of any layer whose output is
            `(batch, rows, columns, channels)` or a square number of tokens. Defaults to None,
            the last stage with more than one position.
        head: the name of the head, where the model has several. Defaults to None.
        batch_size: the number of images computed at once. Defaults to 32.
        plus_plus: whether to use Grad-CAM++. Defaults to False.

    Returns:
        A float32 array `(images, height, width)` in [0, 1]. The maximum of each map is 1; a map
        is 0 everywhere if no position raises the logit.

    Raises:
        ValueError: if the images do not fit the model, if there is no such class, head or
            stage, or if the stage has no positions.

    Example:

    >>> maps = explanations.grad_cam(model, images, class_index=labels)
    >>> maps.shape
    (9, 16, 16)

    Reference: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization, 2017, equations 1 and 2; Chattopadhay et al., Grad-CAM++:
    Improved Visual Explanations for Deep Convolutional Networks, 2018, equations 5 and 19 with
    the exponential of the logit.
    """
    images, layer, classes = check_explained(model, images, class_index, head, batch_size)
    name = stage_operation(model, stage)
    weigh = _plus_plus_weights if plus_plus else _mean_gradient

    def maps(batch, classes):
        features, gradients = _features_and_gradients(model, batch, classes, layer, name)
        heat = tf.einsum("brck,bk->brc", features, weigh(features, gradients))
        resized = tf.image.resize(tf.nn.relu(heat)[..., tf.newaxis], images.shape[1:3])
        heat = tf.squeeze(resized, axis=-1)
        return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))

    return over_batches(maps, [images, classes], batch_size)


def _features_and_gradients(model, images, classes, layer, name):
    """A stage's features, and the gradient of the class's logit with respect to them."""
    found = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def watch(operation, output):
            if operation.name == name:
                tape.watch(output)
                found.append(output)

        scores = class_values(model, images, layer, classes, observe=watch)
    gradients = tape.gradient(scores, found[-1])
    if gradients is None:
        raise ValueError(
            f"The head's output '{layer.name}' does not depend on '{name}'. Choose a stage of "
            f"the backbone. Received: stage={name!r}"
        )
    return as_grid(found[-1]), as_grid(gradients)


def _mean_gradient(features, gradients):
    return tf.reduce_mean(gradients, axis=(1, 2))


def _plus_plus_weights(features, gradients):
    # g^2 / (2 g^2 + sum(A) g^3); the factor exp(logit) of all weights cancels when the map is
    # scaled. The derivation assumes A >= 0; negative features (of a linear bottleneck) are left
    # out of the sum, since they would put a pole in the weights.
    positive = tf.nn.relu(gradients)
    total = tf.reduce_sum(tf.nn.relu(features), axis=(1, 2), keepdims=True)
    return tf.reduce_sum(positive / (2.0 + positive * total), axis=(1, 2))
