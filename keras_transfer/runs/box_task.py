"""Runs that predict boxes around objects."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_transfer._text import text_table
from keras_transfer.calibration.box_measures import (
    PerBox,
    check_pycocotools,
    count_thresholds,
    per_box,
)
from keras_transfer.data.box_sets import box_array
from keras_transfer.heads import CenterHead
from keras_transfer.runs import box_page
from keras_transfer.runs.predicted_boxes import PredictedBoxes
from keras_transfer.runs.task import Task


class BoxTask(Task):
    """Boxes around objects, each with a class and a score."""

    name = "boxes"
    takes = frozenset({"boxes", "threshold"})
    nouns = ("class", "classes")
    outputs = "values"
    quality = "the average precision is"
    best_epoch = "lowest validation loss"
    kept_epoch = "The kept epoch has the lowest validation loss"
    is_calibrated = False

    def head(self, splits, dropout):
        check_pycocotools()
        return CenterHead(len(splits.class_names))

    def is_head(self, head):
        return isinstance(head, CenterHead)

    def augmentation(self, found):
        # The box around a rotated box is larger than its object.
        return dataclasses.replace(found, rotation=0.0)

    def labels(self, found):
        return box_array(found)

    def predict(self, model, dataset):
        """The boxes of each image: left, top, right, bottom, score and class, -1 for none."""
        return self.infer(model, dataset.map(lambda images, boxes: images), lambda number: None)

    def infer(self, model, dataset, advance):
        found = []
        for images in dataset:
            boxes, scores, classes, number = model.heads.decode(model.predict_on_batch(images))
            is_box = tf.range(boxes.shape[1])[None] < number[:, None]
            kinds = tf.where(is_box, tf.cast(classes, "float32"), -1.0)
            parts = [boxes, scores[..., None], kinds[..., None]]
            found.append(tf.concat(parts, axis=-1).numpy())
            advance(len(found[-1]))
        return np.concatenate(found)

    def nothing(self, run):
        return np.zeros((0, 1, 6), "float32")

    def chosen(self, predictions, names):
        for one in predictions:
            if one.split == "validation":
                return {"thresholds": count_thresholds(one.outputs, one.labels, len(names))}
        return {}

    def measure(self, predictions, names, model, chosen):
        thresholds = chosen.get("thresholds", 0.3)
        return per_box(predictions.outputs, predictions.labels, names, thresholds).to_json()

    def aligned(self, splits, split, names):
        if splits.task != self.name or not {*splits.class_names} <= {*names}:
            self.check_classes(splits, names)
        found = self.labels(splits.labels[split])
        # The last column is the class, or -1.
        places = np.array([*map(names.index, splits.class_names), -1])
        found[..., -1] = places[found[..., -1].astype(int)]
        return found

    def predicted(self, paths, outputs, unreadable, run):
        return PredictedBoxes(paths, outputs, run.class_names, unreadable, run.box_thresholds)

    def line(self, measured):
        return PerBox.from_json(measured).conclusion[:-1]

    def table(self, measured, names):
        return text_table(PerBox.from_json(measured).rows())

    def verdict(self, run, measured):
        return box_page.verdict(run, measured)

    def sections(self, run, images):
        return box_page.sections(run, images)

    def use(self, run):
        return (
            "Images like those of the training. The model finds objects of "
            f"{self.counted(run.class_names)}, each with a score that is no probability."
        )
