"""Masks and boxes: mean IoU on street scenes, average precision on blood cells."""

import time

import keras
import numpy as np

from benchmarks.images import data_folder
from keras_transfer import (
    backbones,
    calibration,
    data,
    features,
    freezing,
    models,
    plans,
    training,
)
from keras_transfer.calibration.box_measures import count_thresholds
from keras_transfer.runs.box_task import BoxTask
from keras_transfer.runs.mask_task import MaskTask

_WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
_ROWS = {"frozen": 0, "last two stages": 2, "random network, frozen": 0}


def masks(row, seed, limit=None):
    """CamVid at 240x320: the decoder alone or with the last stages, or on a random network."""
    splits = data.mask_folder(
        data_folder() / "camvid", "masks", 48 if limit else (240, 320), ignore_class=11
    )
    model, seconds = _trained(MaskTask(), splits, row, seed, limit)
    test = splits.test.take(1) if limit else splits.test
    found = calibration.per_pixel(MaskTask().predict(model, test), splits.class_names)
    values = {"mean_iou": found.mean_iou, "pixel_accuracy": found.pixel_accuracy}
    return [{"row": row, "values": {**values, "seconds": seconds}}]


def boxes(row, seed, limit=None):
    """BCCD at 320x416: the same."""
    splits = data.boxes(data_folder() / "blood_cells", 64 if limit else (320, 416))
    model, seconds = _trained(BoxTask(), splits, row, seed, limit)
    predicted, true = {}, {}
    for split in ("validation", "test"):
        chosen = getattr(splits, split).take(1) if limit else getattr(splits, split)
        predicted[split] = BoxTask().predict(model, chosen)
        true[split] = BoxTask().labels(splits.labels[split])[: len(predicted[split])]
    thresholds = count_thresholds(
        predicted["validation"], true["validation"], len(splits.class_names)
    )
    found = calibration.per_box(predicted["test"], true["test"], splits.class_names, thresholds)
    errors = {f"count_error_{one.name}": one.count_error for one in found.classes}
    return [{"row": row, "values": {"ap50": found.ap50, **errors, "seconds": seconds}}]


def _trained(task, splits, row, seed, limit):
    """A model trained as `fit` trains it, and the seconds that it took."""
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    size = splits.train.element_spec[0].shape[1:]
    weights = None if row.startswith("random") else data_folder() / "weights" / _WEIGHTS
    backbone = backbones.Backbone("MobileNetV2", tuple(size), weights, alpha=0.35)
    model = models.TransferModel(backbone, task.head(splits, 0.0))
    number = len(splits.labels["train"])
    plan = plans.choose_plan(number, len(splits.class_names), batch_size=8, decoder=True)
    phases = plan.phases[: 2 if _ROWS[row] else 1]
    augmentation = task.augmentation(data.augmentation.standard())
    train, validation = augmentation(splits.train), splits.validation
    if limit:
        train, validation = splits.train.take(1), validation.take(1)
        phases = [plans.Phase(freezing.FreezeAll(), 1, 1e-3)]
    training.fine_tune(
        model, train, validation, plan=plans.Plan(phases), verbose=0,
        cache=False if limit else features.FeatureCache(dtype="float16"),
    )  # fmt: skip
    return model, float(np.round(time.perf_counter() - started, 1))
