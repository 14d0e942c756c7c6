"""What a page says and shows about a run that predicts boxes."""

import colorsys

import numpy as np

from keras_transfer.calibration.box_measures import PerBox
from keras_transfer.runs import blocks
from keras_transfer.runs.predicted_boxes import counted
from keras_transfer.runs.predicted_masks import hue_of

_MOST_SHOWN, _FEW = 12, 10


def verdict(run, measured):
    """The verdict on the boxes, as in `verdict.verdict`."""
    found = PerBox.from_json(measured)
    known = sorted((one for one in found.classes if one.ap50 is not None), key=lambda o: o.ap50)
    absent = [one.name for one in found.classes if one.ap50 is None]
    counts = [
        f"{one.name} {one.count_error:.2f} of {one.mean_count:.1f}" for one in found.classes
    ]
    cautions = []
    if found.images < _FEW:
        cautions.append((f"Only {found.images} images were measured.", "warning"))
    if absent:
        cautions.append((f"No image here has a box of {', '.join(absent[:3])}.", "warning"))
    return {
        "share": f"{found.ap50:.1%}",
        "words": f"average precision of boxes that overlap by half or more (AP50), "
        f"{found.images} {run.measured} images",
        "parts": [
            f"AP, the mean over overlaps of 50% to 95%: {found.ap:.1%}",
            f"weakest class: {known[0].name} ({known[0].ap50:.1%})",
            f"mean error of the count in an image: {', '.join(counts[:4])}",
        ],
        "cautions": cautions,
    }


def sections(run, images):
    """The classes, and the images that the model counts worst."""
    return [_classes(run), _gallery(run, images)]


def _classes(run):
    if run.measured is None:
        return None
    found = PerBox.from_json(run.metrics[run.measured])
    note = (
        "AP50: the average precision of boxes that overlap a true one by an intersection over "
        "union of at least 50%; AP: its mean over 50% to 95%, as COCO defines it. The count: "
        "boxes from a score on, which has the lowest error on the validation set."
    )
    shown = [blocks.table(found.rows(), range(1, 7)), blocks.text(note, "soft")]
    return blocks.section("classes", f"Classes ({run.measured} set)", shown)


def _gallery(run, images):
    """The images with the largest errors of the count, with true and predicted boxes."""
    found = run.predictions.get(run.measured)
    if found is None or not found.paths:
        return None
    kept, number = counted(found.outputs, run.box_thresholds), len(run.class_names)
    errors = np.array(
        [
            np.abs(_counts(row[keep][:, 5], number) - _counts(true[:, 4], number)).sum()
            for row, keep, true in zip(found.outputs, kept, found.labels, strict=True)
        ]
    )
    entries = []
    for index in np.argsort(-errors, kind="stable")[:_MOST_SHOWN].tolist():
        image = images.open(found.paths[index], blocks.SIDE)
        if image is None:
            continue
        name = images.name_of(found.paths[index])
        true = found.labels[index][found.labels[index][:, 4] >= 0]
        rows = found.outputs[index][kept[index]]
        predicted = np.concatenate([rows[:, :4], rows[:, 5:]], axis=1)
        pictures = [
            (blocks.thumbnail(_drawn(image, one, number)), f"{what} of {name}")
            for one, what in ((true, "true boxes"), (predicted, "predicted boxes"))
        ]
        lines = [f"{len(true)} true boxes, {len(predicted)} predicted"]
        entries.append({"pictures": pictures, "lines": lines, "name": name, "mark": None})
    note = (
        "The images with the largest errors of the count: true boxes beside predicted ones."
        if entries
        else "The images are not shown: they are no longer where they were."
    )
    shown = [blocks.text(note, "soft"), blocks.gallery(entries)]
    return blocks.section("gallery", f"Largest errors ({found.split} set)", shown)


def _counts(kinds, number):
    return np.bincount(kinds[kinds >= 0].astype(int), minlength=number)


def _drawn(image, boxes, number):
    """A small copy of an image with boxes, in a colour for each class."""
    from PIL import ImageDraw

    image = image.copy()
    image.thumbnail((blocks.SIDE, blocks.SIDE))
    draw = ImageDraw.Draw(image)
    for left, top, right, bottom, kind in boxes.tolist():
        color = colorsys.hsv_to_rgb(hue_of(kind, 0.33), 1.0, 1.0)
        corners = [left * image.width, top * image.height, right * image.width]
        draw.rectangle(
            [*corners, bottom * image.height], outline=tuple(round(255 * c) for c in color)
        )
    return image
