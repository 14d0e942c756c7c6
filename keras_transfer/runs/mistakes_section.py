"""The section about the worst mistakes, with Grad-CAM."""

import os

import numpy as np

from keras_transfer.calibration.measures import worst_mistakes
from keras_transfer.data.image_files import read_images
from keras_transfer.explanations.grad_cams import grad_cam
from keras_transfer.runs import blocks

_MOST = 12


def mistakes(run):
    """The section; None without predictions for image files."""
    found = run.predictions.get(run.measured)
    if found is None or not found.paths:
        return None
    mistaken = worst_mistakes(found.probabilities, found.labels, _MOST)
    if not mistaken:
        note = f"All {len(found.labels)} {found.split} images are classified correctly."
        return blocks.section("mistakes", "Mistakes", [blocks.text(note, "good")])
    shown, images = _read(mistaken, found.paths, run.image_size)
    if not shown:
        note = "The images are no longer at their paths."
        return blocks.section("mistakes", "Mistakes", [blocks.text(note, "soft")])
    maps = grad_cam(run.model, images, class_index=[one.predicted_class for one in shown])
    entries = [
        _entry(one, os.path.basename(found.paths[one.index]), image, heat, run.class_names)
        for one, image, heat in zip(shown, images, maps, strict=True)
    ]
    total = int((~found.correct).sum())
    note = (
        f"{total} of {len(found.labels)} {found.split} images are misclassified. These are the "
        f"{len(entries)} with the lowest probability of the true class. The map beside each "
        "image (Grad-CAM) is bright where the image supports the predicted class."
    )
    return blocks.section(
        "mistakes", "Worst mistakes", [blocks.text(note), blocks.mistakes(entries)]
    )


def _read(mistaken, paths, image_size):
    """The mistakes whose image can still be read, and these images."""
    by_path = {paths[one.index]: one for one in mistaken}
    dataset, readable, _ = read_images(list(by_path), image_size)
    images = np.concatenate(list(dataset)) if readable else None
    return [by_path[path] for path in readable], images


def _entry(mistake, name, image, heat, names):
    return {
        "picture": blocks.thumbnail(image),
        "heat": blocks.thumbnail(blocks.with_heat(image, heat)),
        "predicted": names[mistake.predicted_class],
        "confidence": f"{mistake.predicted_probability:.0%}",
        "true": names[mistake.true_class],
        "probability": f"{mistake.true_probability:.1%}",
        "name": name,
    }
