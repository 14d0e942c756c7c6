"""The head that gives each pixel a class."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_transfer.heads.head import Head
from keras_transfer.heads.segmentation_measures import MeanIoU, PixelAccuracy, SegmentationLoss
from keras_transfer.heads.stage_decoders import fpn, unet
from keras_transfer.heads.upsampling import UpsampleTo

_DECODERS = ("fpn", "unet")
# Finer stages cost the decoder more than all others together.
_STRIDE = 4


@keras.saving.register_keras_serializable(package="keras_transfer")
class SegmentationHead(Head):
    """A head for segmentation: a class for each pixel.

    It reads the output of several stages of the backbone. The output has the size of the input,
    whatever that is: the decoder enlarges its features by whole factors and crops them.

    Args:
        num_classes: number of classes, from 2 to 255.
        decoder: `"fpn"` (the default) adds the stages, from 1/4 of the resolution on;
            `"unet"` concatenates all of them, which is finer and slower.
        ignore_class: the label of pixels without a class, which have no part in the loss and in
            the metrics. Defaults to None, none.
        width: number of channels of the decoder. Defaults to 64.
        dice: the share of the Dice loss in the loss, from 0 (the default) to 1; the rest is the
            cross-entropy.
        class_weights: the weight of the pixels of each class in the cross-entropy. Defaults to
            None, 1 for each.
        loss_weight: weight of this loss in a model with several heads. Defaults to 1.0.

    Output shape: `(batch, height, width, num_classes)`, float32 logits. Labels are class
        indices of shape `(batch, height, width)`.

    Raises:
        ValueError: if an argument is out of its range, or the stages are not images.

    Example:
        >>> model = models.TransferModel(backbone, heads=heads.SegmentationHead(5, width=8))
        >>> model.output_shape
        (None, 16, 16, 5)

    Reference:
        Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, for the decoder "fpn";
        Ronneberger et al., "U-Net", MICCAI 2015.
    """

    takes_stages = True
    takes_images = True

    def __init__(
        self,
        num_classes: int,
        decoder: str = "fpn",
        ignore_class: int | None = None,
        width: int = 64,
        dice: float = 0.0,
        class_weights: Sequence[float] | None = None,
        loss_weight: float = 1.0,
    ):
        if not isinstance(num_classes, int) or not 2 <= num_classes <= 255:
            raise ValueError(
                "`num_classes` must be an integer from 2 to 255: the background counts too. "
                f"Received: num_classes={num_classes!r}"
            )
        if decoder not in _DECODERS:
            raise ValueError(
                f"`decoder` must be one of {_DECODERS}. Received: decoder={decoder!r}"
            )
        is_label = isinstance(ignore_class, int) and not isinstance(ignore_class, bool)
        if ignore_class is not None and not (is_label and not 0 <= ignore_class < num_classes):
            raise ValueError(
                f"`ignore_class` must be a label that is not one of the classes 0 to "
                f"{num_classes - 1}, such as 255, or None. Received: {ignore_class!r}"
            )
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"`width` must be a positive integer. Received: width={width!r}")
        if not 0 <= dice <= 1:
            raise ValueError(f"`dice` must lie between 0 and 1. Received: dice={dice!r}")
        if class_weights is not None and not (
            len(class_weights) == num_classes and all(weight >= 0 for weight in class_weights)
        ):
            raise ValueError(
                f"`class_weights` must be {num_classes} numbers that are not negative, one for "
                f"each class, or None. Received: class_weights={class_weights!r}"
            )
        if not loss_weight > 0:
            raise ValueError(f"`loss_weight` must be positive. Received: {loss_weight}")
        self.num_classes, self.decoder, self.ignore_class = num_classes, decoder, ignore_class
        self.width, self.dice, self.loss_weight = width, dice, loss_weight
        self.class_weights = (
            None if class_weights is None else [float(w) for w in class_weights]
        )

    def __call__(self, features, name="head", output_name=None):
        if self.decoder == "fpn":
            x = fpn(features, self.width, name, _STRIDE)
        else:
            x = unet(features, self.width, name)
        # Half precision is too coarse for a loss.
        x = keras.layers.Conv2D(self.num_classes, 1, dtype="float32", name=f"{name}_logits")(x)
        images = features[0]
        size, name = images.shape[1:3], output_name or f"{name}_output"
        if None in size:
            return UpsampleTo(dtype="float32", name=name)(x, images)
        return UpsampleTo(size, dtype="float32", name=name)(x)

    def loss(self):
        """The cross-entropy of the pixels, with the share of the Dice loss."""
        return SegmentationLoss(self.ignore_class, self.dice, self.class_weights)

    def metrics(self):
        """The mean intersection over union of the classes that occur, and the accuracy."""
        return [
            MeanIoU(self.num_classes, self.ignore_class), PixelAccuracy(self.ignore_class)
        ]  # fmt: skip

    @property
    def units(self):
        """The number of classes."""
        return self.num_classes

    @property
    def num_names(self):
        return self.num_classes

    def named_outputs(self, output, class_names=None):
        """`mask`, the index of the class of each pixel."""
        return {"mask": tf.argmax(output, axis=-1, output_type="int32")}

    def encoded_outputs(self, output, named, class_names=None):
        """`mask_png`, the mask as a grey PNG file."""
        mask = tf.cast(named["mask"], "uint8")[..., None]
        return {"mask_png": tf.map_fn(tf.io.encode_png, mask, fn_output_signature=tf.string)}

    def get_config(self) -> dict[str, Any]:
        names = (
            "num_classes", "decoder", "ignore_class", "width", "dice", "class_weights",
            "loss_weight",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}
