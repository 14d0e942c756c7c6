"""The loss of boxes that are found by their centres."""

import keras
import tensorflow as tf

# Of the share of a box that its Gaussian covers (Liu et al., AAAI 2020).
_SPREAD = 0.54 / 6
# Weaker positions do not learn the box.
_LEAST_WEIGHT = 0.2
_BOX_WEIGHT = 2.0
_SMALLEST = 1e-6
# exp(-2) of an image: the size of a box at the start.
_START = -2.0


@keras.saving.register_keras_serializable(package="keras_transfer")
class CenterLoss(keras.losses.Loss):
    """The focal loss of the centres, and the generalised IoU of the boxes around them.

    Labels are boxes of shape `(batch, boxes, 5)` as in `CenterHead`. Each box has a Gaussian
    around its centre: near positions count less as wrong, and learn its sides.

    Args:
        reduction: as for `keras.losses.Loss`.
        name: name of the loss.
        **kwargs: further arguments of `keras.losses.Loss`.

    Reference:
        Zhou et al., "Objects as Points", 2019, equation 1; Rezatofighi et al., "Generalized
        Intersection over Union", CVPR 2019.
    """

    def __init__(self, reduction="sum_over_batch_size", name="center_loss", **kwargs):
        super().__init__(reduction=reduction, name=name, **kwargs)

    def call(self, labels, output):
        labels, output = tf.cast(labels, "float32"), tf.cast(output, "float32")
        near = _gaussians(labels, tf.shape(output)[1], tf.shape(output)[2])
        number = tf.reduce_sum(tf.cast(labels[..., 4] >= 0, "float32"), axis=1)
        focal = _focal_loss(_heat(near, labels, output.shape[-1] - 4), output[..., :-4])
        boxes = _box_loss(near, labels, grid_boxes(output[..., -4:]))
        return (focal + _BOX_WEIGHT * boxes) / tf.maximum(number, 1.0)


def grid_boxes(values):
    """The box of each position: left, top, right and bottom, as fractions of the image.

    Args:
        values: `(batch, rows, columns, 4)`: the distance of the centre from the middle of the
            position, in positions, and the logarithm of the size.
    """
    rows, columns = tf.shape(values)[1], tf.shape(values)[2]
    height, width = tf.cast(rows, "float32"), tf.cast(columns, "float32")
    x = (tf.range(columns, dtype="float32")[None, None] + 0.5 + values[..., 0]) / width
    y = (tf.range(rows, dtype="float32")[None, :, None] + 0.5 + values[..., 1]) / height
    # At most e times the image: a larger exponent overflows.
    half = tf.exp(tf.minimum(values[..., 2:] + _START, 1.0)) / 2
    return tf.stack(
        [x - half[..., 0], y - half[..., 1], x + half[..., 0], y + half[..., 1]], -1
    )


def _gaussians(labels, rows, columns):
    """How near each position is to the centre of each box, `(batch, boxes, rows, columns)`."""
    found = []
    for first, last, size in ((1, 3, rows), (0, 2, columns)):
        scale = tf.cast(size, "float32")
        low, high = labels[..., first] * scale, labels[..., last] * scale
        middle = tf.clip_by_value(tf.floor((low + high) / 2), 0.0, scale - 1)[..., None]
        spread = tf.maximum(_SPREAD * (high - low), 0.3)[..., None]
        distance = tf.range(size, dtype="float32") - middle
        found.append(tf.exp(-(distance**2) / (2 * spread**2)))
    near = found[0][..., :, None] * found[1][..., None, :]
    return near * tf.cast(labels[..., 4] >= 0, "float32")[..., None, None]


def _heat(near, labels, num_classes):
    """The highest of the Gaussians of each class, `(batch, rows, columns, classes)`."""
    shape = tf.shape(near)
    classes = tf.cast(labels[..., 4], "int32")
    place = tf.range(shape[0])[:, None] * num_classes + classes
    place = tf.reshape(tf.where(classes >= 0, place, -1), [-1])  # negative ones are left out
    flat = tf.reshape(near, [shape[0] * shape[1], shape[2] * shape[3]])
    heat = tf.math.unsorted_segment_max(flat, place, shape[0] * num_classes)
    heat = tf.reshape(tf.maximum(heat, 0.0), [shape[0], num_classes, shape[2], shape[3]])
    return tf.transpose(heat, [0, 2, 3, 1])


def _focal_loss(heat, logits):
    share = tf.sigmoid(logits)
    right = (1 - share) ** 2 * tf.math.log_sigmoid(logits)
    wrong = (1 - heat) ** 4 * share**2 * tf.math.log_sigmoid(-logits)
    return -tf.reduce_sum(tf.where(heat >= 1.0, right, wrong), axis=(1, 2, 3))


def _box_loss(near, labels, boxes):
    """The sum over the boxes of the mean loss of the positions that are nearest to them."""
    nearest = tf.argmax(near, axis=1)
    weight = tf.reduce_max(near, axis=1)
    weight = tf.where(weight >= _LEAST_WEIGHT, weight, 0.0)
    true = tf.gather(labels[..., :4], nearest, batch_dims=1)
    total = tf.gather(tf.reduce_sum(near, axis=(2, 3)), nearest, batch_dims=1)
    loss = 1 - generalized_iou(true, boxes)
    return tf.reduce_sum(loss * weight / tf.maximum(total, _SMALLEST), axis=(1, 2))


def generalized_iou(one, other):
    """The intersection over union of boxes, less the share of their hull that is in neither."""
    sizes = [
        tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0) for boxes in (one, other)
    ]  # fmt: skip
    both = tf.minimum(one[..., 2:], other[..., 2:]) - tf.maximum(one[..., :2], other[..., :2])
    hull = tf.maximum(one[..., 2:], other[..., 2:]) - tf.minimum(one[..., :2], other[..., :2])
    shared, around = _area(tf.maximum(both, 0.0)), tf.maximum(_area(hull), _SMALLEST)
    union = tf.maximum(_area(sizes[0]) + _area(sizes[1]) - shared, _SMALLEST)
    return shared / union - (around - union) / around


def _area(sizes):
    return sizes[..., 0] * sizes[..., 1]
