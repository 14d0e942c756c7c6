"""The worst mistakes, and where the network looked."""

import os

import numpy as np

from keras_transfer.data import read_pictures
from keras_transfer.reports import blocks
from keras_transfer.reports.grad_cam import grad_cam
from keras_transfer.reports.page_figures import thumbnail, with_heat

_MOST = 12


def mistakes(results, model=None):
    """The section, or None where there are no predictions of pictures that are files.

    Args:
        results: `RunResults`.
        model: the trained `TransferModel`. Defaults to the one in the run folder.
    """
    found = results.predictions.get(results.measured)
    if found is None or not found.paths:
        return None
    worst = worst_of(found)
    if not worst:
        told = f"All {len(found.labels)} {found.split} pictures are recognised."
        return blocks.section("mistakes", "Mistakes", [blocks.text(told, "good")])
    worst, images = _read(worst, found, tuple(results.settings["image_size"]))
    if not worst:
        told = "The pictures are no longer where they were."
        return blocks.section("mistakes", "Mistakes", [blocks.text(told, "soft")])
    maps = _maps(results, model, images, found, worst)
    names = results.settings["class_names"]
    entries = [
        _entry(found, number, image, heat, names)
        for number, image, heat in zip(worst, images, maps, strict=True)
    ]
    total = int((~found.correct).sum())
    told = (
        f"{total} of {len(found.labels)} {found.split} pictures are mistaken. These are the "
        f"{len(entries)} to which the network gave the true class least. Beside each, bright "
        "is what spoke for the wrong class (Grad-CAM)."
    )
    blocks_of = [blocks.text(told), blocks.mistakes(entries)]
    return blocks.section("mistakes", "Worst mistakes, and where the network looked", blocks_of)


def worst_of(predictions, number=_MOST):
    """The numbers of the mistaken pictures, those of the highest loss first."""
    of_truth = predictions.probabilities[np.arange(len(predictions.labels)), predictions.labels]
    order = np.argsort(of_truth, kind="stable")
    return [int(i) for i in order if not predictions.correct[i]][:number]


def _read(worst, predictions, image_size):
    """Those of the pictures that can still be read."""
    paths = {predictions.paths[number]: number for number in worst}
    dataset, readable, _ = read_pictures(list(paths), image_size)
    images = np.concatenate(list(dataset)) if readable else None
    return [paths[path] for path in readable], images


def _maps(results, model, images, predictions, worst):
    if model is None:
        import keras

        model = keras.saving.load_model(results.directory / "model.keras")
    predicted = predictions.probabilities[worst].argmax(axis=1)
    return grad_cam(model, images, class_index=predicted)


def _entry(predictions, number, image, heat, names):
    probabilities = predictions.probabilities[number]
    predicted, true = int(probabilities.argmax()), int(predictions.labels[number])
    return {
        "picture": thumbnail(image),
        "heat": thumbnail(with_heat(image, heat)),
        "predicted": names[predicted],
        "confidence": f"{probabilities[predicted]:.0%}",
        "true": names[true],
        "probability": f"{probabilities[true]:.1%}",
        "name": os.path.basename(predictions.paths[number]),
    }
