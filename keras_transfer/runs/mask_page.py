"""What a page says and shows about a run that predicts masks."""

import math

import numpy as np

from keras_transfer._figures import short_name
from keras_transfer.calibration.mask_measures import PerPixel
from keras_transfer.heads.segmentation_measures import class_ious
from keras_transfer.runs import blocks
from keras_transfer.runs.predicted_masks import colored

# Cells of a matrix that a screen shows, and images in the gallery.
_MOST_IN_A_MATRIX, _MOST_SHOWN, _FEW = 25, 12, 10


def verdict(run, measured):
    """The verdict on the masks, as in `verdict.verdict`."""
    found = PerPixel.from_json(measured)
    weakest = sorted((one for one in found.classes if one.iou is not None), key=lambda o: o.iou)
    absent = [one.name for one in found.classes if one.iou is None]
    low_high = found.mean_iou_interval
    interval = "" if low_high is None else "(95% CI {:.1%} to {:.1%}) ".format(*low_high)
    parts = [
        f"pixel accuracy: {found.pixel_accuracy:.1%}; always the largest class: "
        f"{found.largest:.1%}",
        f"weakest classes: {', '.join(f'{one.name} ({one.iou:.1%})' for one in weakest[:3])}",
    ]
    cautions = []
    if found.images < _FEW:
        cautions.append((f"Only {found.images} images were measured.", "warning"))
    if absent:
        named = ", ".join(map(short_name, absent[:3]))
        cautions.append((f"No pixel of these images has the class {named}.", "warning"))
    return {
        "share": f"{found.mean_iou:.1%}",
        "words": f"{interval}mean intersection over union of {found.images} {run.measured} "
        "images",
        "parts": parts,
        "cautions": cautions,
    }


def sections(run, images):
    """The classes, their confusion, and the images that the model predicts worst."""
    return [_classes(run), _confusion(run), _gallery(run, images)]


def _classes(run):
    if run.measured is None:
        return None
    rows = PerPixel.from_json(run.metrics[run.measured]).rows()
    note = (
        "IoU: the pixels of a class that the model finds, divided by those that are of the "
        "class or predicted as it. Intervals: 95%, by resampling the images. The masks are "
        "compared in the size of the model's input."
    )
    shown = [blocks.table(rows, range(1, 6)), blocks.text(note, "soft")]
    return blocks.section("classes", f"Classes ({run.measured} set)", shown)


def _confusion(run):
    if run.measured is None or len(run.class_names) > _MOST_IN_A_MATRIX:
        return None
    counts = run.metrics[run.measured]["confusion"]
    cells = [
        [
            {
                "count": f"{count / max(1, sum(row)):.0%}" if count else "",
                "share": round(count / max(1, sum(row)), 3),
                "is_correct": true == predicted,
                "target": None,
            }
            for predicted, count in enumerate(row)
        ]
        for true, row in enumerate(counts)
    ]
    note = "A row for each true class: as which classes its pixels are predicted, in percent."
    shown = [blocks.matrix(list(run.class_names), cells), blocks.text(note, "soft")]
    return blocks.section("confusion", f"Confusion of pixels ({run.measured} set)", shown)


def worst(confusions):
    """The indices of the images with the lowest mean IoU, the worst first."""
    scores = [
        float(np.nanmean(class_ious(one))) if one.sum() else math.inf for one in confusions
    ]
    return np.argsort(scores, kind="stable")[:_MOST_SHOWN]


def _gallery(run, images):
    """The images with the lowest mean IoU, with the true and the predicted mask."""
    found = run.predictions.get(run.measured)
    if found is None or "worst" not in found.shown:
        return None
    rows = zip(*(found.shown[name] for name in ("worst", "true", "predicted")), strict=True)
    entries = [
        _entry(run, images, found, index, masks) for index, *masks in rows if found.paths
    ]
    entries = [entry for entry in entries if entry is not None]
    note = (
        "The images with the lowest mean IoU: the image, its true mask and the predicted one. "
        "Suspect the masks, the images or the model. Black pixels have no class."
        if entries
        else "The images are not shown: they are no longer where they were."
    )
    shown = [blocks.text(note, "soft"), blocks.gallery(entries)]
    return blocks.section("gallery", f"Largest errors ({found.split} set)", shown)


def _entry(run, images, found, index, masks):
    image = images.open(found.paths[index], blocks.SIDE)
    if image is None:
        return None
    name, number = images.name_of(found.paths[index]), len(run.class_names)
    pictures = [(blocks.thumbnail(image), name)]
    for mask, what in zip(masks, ("true mask", "predicted mask"), strict=True):
        shown = colored(mask, number).convert("RGB").resize(image.size)
        pictures.append((blocks.thumbnail(shown), f"{what} of {name}"))
    ious = class_ious(found.outputs[index])
    if np.isnan(ious).all():
        return None
    low = [i for i in np.argsort(ious, kind="stable") if ious[i] < 1][:2]
    lines = [f"mean IoU {np.nanmean(ious):.1%}"]
    lines += [f"{run.class_names[i]} {ious[i]:.1%}" for i in low]
    return {"pictures": pictures, "lines": lines, "name": name, "mark": None}
