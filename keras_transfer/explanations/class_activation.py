"""Maps of the positions of a stage that speak for a class: what the Grad-CAMs share."""

import tensorflow as tf

from keras_transfer.explanations.stage_grids import as_grid, stage_operation
from keras_transfer.models.head_outputs import (
    check_classes,
    class_scores,
    head_logits,
    output_layer,
)
from keras_transfer.models.image_batches import check_images, in_batches, traced


def class_activation_maps(model, images, weigh, class_index, stage, head, batch_size):
    """The positive part of a weighted sum of a stage's channels, at the pictures' size.

    Args:
        model: a `TransferModel`.
        images: `(pictures, height, width, channels)`.
        weigh: a function of features and gradients, both `(batch, rows, columns, channels)`,
            that gives the channels' weights, `(batch, channels)`.
        class_index: None, an integer, or one for each picture.
        stage: as in `stage_operation`.
        head: the name of the head, or None.
        batch_size: how many pictures are computed at once.

    Returns:
        A float32 array `(pictures, height, width)`. The largest value of a picture is 1; where
        nothing is positive all are 0.
    """
    images = check_images(model, images)
    layer = output_layer(model, head)
    classes = check_classes(class_index, len(images), layer)
    name = stage_operation(model, stage)

    def maps(pictures, classes):
        features, gradients = _features_and_gradients(model, pictures, classes, layer, name)
        heat = tf.einsum("brck,bk->brc", features, weigh(features, gradients))
        resized = tf.image.resize(tf.nn.relu(heat)[..., tf.newaxis], images.shape[1:3])
        heat = tf.squeeze(resized, axis=-1)
        highest = tf.reduce_max(heat, axis=(1, 2), keepdims=True)
        return tf.math.divide_no_nan(heat, highest)

    compute = traced(maps, images.shape[1:], tf.TensorSpec((None,), "int32"))
    return in_batches(compute, [images, classes], batch_size)


def _features_and_gradients(model, pictures, classes, layer, name):
    """A stage's features, and the gradient of the class's logit with respect to them."""
    found = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def watch(operation, output):
            if operation.name == name:
                tape.watch(output)
                found.append(output)

        scores = class_scores(head_logits(model, pictures, layer, watch), classes)
    gradients = tape.gradient(scores, found[-1])
    if gradients is None:
        raise ValueError(
            f"The head's output '{layer.name}' does not depend on '{name}'. Choose a stage of "
            f"the backbone. Received: stage={name!r}"
        )
    return as_grid(found[-1]), as_grid(gradients)
