"""The worst mistakes, and where the network looked."""

import os

import numpy as np

from keras_transfer.calibration.measures import worst_mistakes
from keras_transfer.data import read_pictures
from keras_transfer.explanations.grad_cams import grad_cam
from keras_transfer.runs import blocks
from keras_transfer.runs.page_figures import thumbnail, with_heat

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
    mistaken = worst_mistakes(found.probabilities, found.labels, _MOST)
    if not mistaken:
        told = f"All {len(found.labels)} {found.split} pictures are recognised."
        return blocks.section("mistakes", "Mistakes", [blocks.text(told, "good")])
    shown, images = _read(mistaken, found.paths, tuple(results.settings["image_size"]))
    if not shown:
        told = "The pictures are no longer where they were."
        return blocks.section("mistakes", "Mistakes", [blocks.text(told, "soft")])
    maps = _maps(results, model, images, [one.predicted_class for one in shown])
    names = results.settings["class_names"]
    entries = [
        _entry(one, os.path.basename(found.paths[one.index]), image, heat, names)
        for one, image, heat in zip(shown, images, maps, strict=True)
    ]
    total = int((~found.correct).sum())
    told = (
        f"{total} of {len(found.labels)} {found.split} pictures are mistaken. These are the "
        f"{len(entries)} to which the network gave the true class least. Beside each, bright "
        "is what spoke for the wrong class (Grad-CAM)."
    )
    blocks_of = [blocks.text(told), blocks.mistakes(entries)]
    return blocks.section("mistakes", "Worst mistakes, and where the network looked", blocks_of)


def _read(mistaken, paths, image_size):
    """Those whose picture can still be read, and the pictures."""
    by_path = {paths[one.index]: one for one in mistaken}
    dataset, readable, _ = read_pictures(list(by_path), image_size)
    images = np.concatenate(list(dataset)) if readable else None
    return [by_path[path] for path in readable], images


def _maps(results, model, images, predicted):
    if model is None:
        import keras

        model = keras.saving.load_model(results.directory / "model.keras")
    return grad_cam(model, images, class_index=predicted)


def _entry(mistake, name, image, heat, names):
    return {
        "picture": thumbnail(image),
        "heat": thumbnail(with_heat(image, heat)),
        "predicted": names[mistake.predicted_class],
        "confidence": f"{mistake.predicted_probability:.0%}",
        "true": names[mistake.true_class],
        "probability": f"{mistake.true_probability:.1%}",
        "name": name,
    }
