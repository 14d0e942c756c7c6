"""Runs that predict a class for each pixel."""

import numpy as np
import tensorflow as tf

from keras_transfer._text import text_table
from keras_transfer.calibration.mask_measures import PerPixel, per_pixel
from keras_transfer.heads import SegmentationHead
from keras_transfer.runs import mask_page
from keras_transfer.runs.predicted_masks import PredictedMasks
from keras_transfer.runs.task import Task

# On street scenes, of 0, 0.3 and 0.5 this power gave the highest mean IoU.
_WEIGHT_POWER = 0.3


class MaskTask(Task):
    """A class for each pixel."""

    name = "masks"
    takes = frozenset({"masks"})
    nouns = ("class", "classes")
    outputs = "logits"
    quality = "the mean IoU is"
    best_epoch = "highest validation mean IoU"
    kept_epoch = "The kept epoch has the highest mean IoU on the validation images"
    is_calibrated = False

    def head(self, splits, dropout):
        return SegmentationHead(
            len(splits.class_names),
            ignore_class=splits.ignore_class,
            class_weights=class_weights(splits.class_counts["train"].values()),
        )

    def is_head(self, head):
        return isinstance(head, SegmentationHead)

    def labels(self, found):
        return np.array([mask.pixels for mask in found], "float32")

    def predict(self, model, dataset):
        """The confusion of the pixels of each image; all logits would not fit in memory."""
        confusions = []
        for inputs, masks in dataset:
            predicted = _masks(model, inputs)
            confusions += map(_confusion(model.heads), masks.numpy(), predicted)
        return np.stack(confusions).astype("float32")

    def shown(self, model, dataset, outputs):
        """The true and the predicted masks of the images with the lowest mean IoU."""
        worst = mask_page.worst(outputs)
        found, start = {}, 0
        for inputs, masks in dataset:
            rows = np.flatnonzero(np.isin(np.arange(start, start + len(masks)), worst))
            if len(rows):
                some = tf.nest.map_structure(
                    lambda part, rows=rows: tf.gather(part, rows), inputs
                )
                pairs = zip(masks.numpy()[rows], _masks(model, some), strict=True)
                found.update(zip((start + rows).tolist(), pairs, strict=True))
            start += len(masks)
        true, predicted = zip(*(found[index] for index in worst.tolist()), strict=True)
        return {"worst": worst, "true": np.stack(true), "predicted": np.stack(predicted)}

    def infer(self, model, dataset, advance):
        masks = []
        for images in dataset:
            masks.append(_masks(model, images))
            advance(len(masks[-1]))
        return np.concatenate(masks)

    def nothing(self, run):
        return np.zeros((0, *run.image_size), "uint8")

    def measure(self, predictions, names, model, chosen):
        return per_pixel(predictions.outputs, names, predictions.groups).to_json()

    def aligned(self, splits, split, names):
        self.check_classes(splits, names)
        return self.labels(splits.labels[split])

    def predicted(self, paths, outputs, unreadable, run):
        return PredictedMasks(paths, outputs, run.class_names, unreadable)

    def line(self, measured):
        found = PerPixel.from_json(measured)
        return f"{found.conclusion[:-1]}; pixel accuracy {found.pixel_accuracy:.1%}"

    def table(self, measured, names):
        return text_table(PerPixel.from_json(measured).rows())

    def verdict(self, run, measured):
        return mask_page.verdict(run, measured)

    def sections(self, run, images):
        return mask_page.sections(run, images)

    def use(self, run):
        return (
            "Images like those of the training. The model gives each pixel one of "
            f"{self.counted(run.class_names)}, also where it shows none of them."
        )


def class_weights(pixels):
    """A weight for each class: rare ones count more, and the mean over the pixels is 1."""
    pixels = np.array(list(pixels), "float64")
    weights = np.where(pixels > 0, pixels.mean() / np.maximum(pixels, 1), 1.0) ** _WEIGHT_POWER
    return (weights / ((weights * pixels).sum() / pixels.sum())).round(4).tolist()


def _masks(model, inputs):
    logits = model.predict_on_batch(inputs)
    return np.asarray(logits).argmax(axis=-1).astype("uint8")


def _confusion(head):
    number, ignored = head.num_classes, head.ignore_class

    def confusion(mask, predicted):
        counted = mask != (-1 if ignored is None else ignored)
        pairs = mask[counted].astype("int64") * number + predicted[counted]
        return np.bincount(pairs, minlength=number**2).reshape(number, number)

    return confusion
