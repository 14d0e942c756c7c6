"""Grad-CAM++: where a network sees a class, each of several things of it."""

import tensorflow as tf

from keras_transfer.explanations.class_activation import class_activation_maps


def grad_cam_plus_plus(model, images, class_index=None, stage=None, head=None, batch_size=32):
    """Maps as `grad_cam` makes them, which find several things of a class and small ones.

    Only positive gradients count, and each position is weighted by how much it alone moves the
    exponential of the logit, so that a thing is not seen less because it covers few positions.

    The derivation takes the features to be at least 0, as after a ReLU. In the sum over the
    positions negative ones (of a linear bottleneck) are left out, for they would put a pole in
    the weights.

    Args:
        model: a `TransferModel`.
        images: `(pictures, height, width, channels)` in [0, 255].
        class_index: as in `grad_cam`.
        stage: as in `grad_cam`.
        head: as in `grad_cam`.
        batch_size: how many pictures are computed at once. Defaults to 32.

    Returns:
        A float32 array `(pictures, height, width)` in [0, 1], as of `grad_cam`.

    Raises:
        ValueError: as `grad_cam`.

    Reference: Chattopadhay et al., Grad-CAM++: Improved Visual Explanations for Deep
    Convolutional Networks, 2018, equations 5 and 19 (with the exponential of the logit).
    """
    return class_activation_maps(
        model, images, _weighted_gradient, class_index, stage, head, batch_size
    )


def _weighted_gradient(features, gradients):
    # g^2 / (2 g^2 + sum(A) g^3); the factor exp(logit) of all weights drops out when the map
    # is scaled.
    positive = tf.nn.relu(gradients)
    total = tf.reduce_sum(tf.nn.relu(features), axis=(1, 2), keepdims=True)
    return tf.reduce_sum(positive / (2.0 + positive * total), axis=(1, 2))
