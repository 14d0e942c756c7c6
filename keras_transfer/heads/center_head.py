"""The head that finds objects by their centres."""

from typing import Any

import keras
import tensorflow as tf

from keras_transfer.heads.center_loss import CenterLoss, grid_boxes
from keras_transfer.heads.head import Head
from keras_transfer.heads.stage_decoders import fpn, smoothed

_STRIDE = 8
# CenterNet's: at the start, each position has an object with a probability of 0.1.
_PRIOR = -2.19


@keras.saving.register_keras_serializable(package="keras_transfer")
class CenterHead(Head):
    """A head for detection: the boxes of objects, found by their centres, without anchors.

    It reads the stages of the backbone from 1/8 of the resolution on. Each position of that
    grid gets a score for each class, and the box of the object whose centre is there. `decode`
    makes boxes of them, as an exported model does.

    Args:
        num_classes: number of classes, without a background.
        width: number of channels of the decoder. Defaults to 64.
        max_boxes: the most boxes in an image. Defaults to 100.
        score_threshold: the lowest score of a box. Defaults to 0.05.
        iou_threshold: of two boxes of a class that overlap by more than this intersection over
            union, the one with the lower score is left out. Defaults to 0.5.
        loss_weight: weight of this loss in a model with several heads. Defaults to 1.0.

    Output shape: `(batch, rows, columns, num_classes + 4)`, float32. Labels are float32 of
        shape `(batch, boxes, 5)`: left, top, right and bottom as fractions of the image, and
        the class; rows with the class -1 are no boxes.

    Raises:
        ValueError: if an argument is out of its range, or the stages are not images.

    Example:
        >>> model = models.TransferModel(backbone, heads=heads.CenterHead(3, width=8))
        >>> boxes, scores, classes, number = model.heads.decode(model(images))
        >>> boxes.shape
        TensorShape([9, 100, 4])

    Reference:
        Zhou et al., "Objects as Points", 2019; Liu et al., "Training-Time-Friendly Network for
        Real-Time Object Detection", AAAI 2020, for the box of the positions around a centre.
    """

    takes_stages = True
    takes_images = True

    def __init__(
        self,
        num_classes: int,
        width: int = 64,
        max_boxes: int = 100,
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        loss_weight: float = 1.0,
    ):
        for name, value in (
            ("num_classes", num_classes), ("width", width), ("max_boxes", max_boxes)
        ):  # fmt: skip
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"`{name}` must be a positive integer. Received: {value!r}")
        for name, share in (
            ("score_threshold", score_threshold), ("iou_threshold", iou_threshold)
        ):  # fmt: skip
            if not 0 <= share < 1:
                raise ValueError(f"`{name}` must be in [0, 1). Received: {share!r}")
        if not loss_weight > 0:
            raise ValueError(f"`loss_weight` must be positive. Received: {loss_weight}")
        self.num_classes, self.width, self.max_boxes = num_classes, width, max_boxes
        self.score_threshold, self.iou_threshold = score_threshold, iou_threshold
        self.loss_weight = loss_weight

    def __call__(self, features, name="head", output_name=None):
        x = fpn(features, self.width, name, _STRIDE)
        parts = []
        for part, channels, start in (("heat", self.num_classes, _PRIOR), ("box", 4, 0.0)):
            own = smoothed(x, self.width, f"{name}_{part}_smooth")
            parts.append(
                # Half precision is too coarse for a loss.
                keras.layers.Conv2D(
                    channels, 1, dtype="float32", name=f"{name}_{part}",
                    bias_initializer=keras.initializers.Constant(start),
                )(own)
            )  # fmt: skip
        output_name = output_name or f"{name}_output"
        return keras.layers.Concatenate(dtype="float32", name=output_name)(parts)

    def loss(self):
        """The focal loss of the centres and the generalised IoU of the boxes."""
        return CenterLoss()

    @property
    def units(self):
        """The number of classes."""
        return self.num_classes

    @property
    def num_names(self):
        return self.num_classes

    def decode(self, output: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """The boxes of a batch of outputs, the most certain first, and zeros after the last.

        Returns:
            `(boxes, scores, classes, number)`: float32 `(batch, max_boxes, 4)`, left, top,
            right and bottom as fractions of the image; float32 and int32 `(batch, max_boxes)`;
            and int32 `(batch,)`, how many boxes an image has.
        """
        named = self.named_outputs(tf.convert_to_tensor(output))
        boxes = tf.gather(named["position_boxes"], [1, 0, 3, 2], axis=-1)  # y before x
        found = tf.image.combined_non_max_suppression(
            boxes[:, :, None], named["position_scores"], self.max_boxes, self.max_boxes,
            self.iou_threshold, self.score_threshold,
        )  # fmt: skip
        boxes = tf.gather(found.nmsed_boxes, [1, 0, 3, 2], axis=-1)
        classes = tf.cast(found.nmsed_classes, "int32")
        return boxes, found.nmsed_scores, classes, found.valid_detections

    def named_outputs(self, output, class_names=None):
        """`position_boxes` and `position_scores`, the box and the scores of each position."""
        count = tf.shape(output)[0]
        boxes = tf.reshape(grid_boxes(output[..., -4:]), [count, -1, 4])
        scores = tf.reshape(tf.sigmoid(output[..., :-4]), [count, -1, self.num_classes])
        return {"position_boxes": tf.clip_by_value(boxes, 0.0, 1.0), "position_scores": scores}

    def encoded_outputs(self, output, named, class_names=None):
        """`boxes`, `scores`, `class_index` and `num_boxes` of `decode`; with names, `label`."""
        boxes, scores, classes, number = self.decode(output)
        found = {
            "boxes": boxes, "scores": scores, "class_index": classes, "num_boxes": number
        }  # fmt: skip
        if class_names is not None:
            found["label"] = tf.gather(tf.constant(class_names), classes)
        return found

    def get_config(self) -> dict[str, Any]:
        names = (
            "num_classes", "width", "max_boxes", "score_threshold", "iou_threshold",
            "loss_weight",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}
