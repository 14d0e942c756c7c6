"""What a picture's file tells without a look at what is shown."""

import concurrent.futures
import os
import warnings

import numpy as np

from keras_transfer._statistics.linear_models import stratified_folds
from keras_transfer.auditing.thumbnails import in_mode

# The columns of `file_facts`, by what they are facts of.
FACTS = {
    "image size": ("width", "height", "aspect ratio"),
    "file": ("bytes", "bytes per pixel", "format"),
    "brightness": ("brightness", "contrast"),
    "colour": ("saturation", "grey"),
}
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "MPO")
_SIDE = 64
_NUM_TREES, _NUM_FOLDS = 50, 5


def file_facts(paths):
    """Numbers about picture files.

    Args:
        paths: the files.

    Returns:
        A float array of shape `(files, columns)`, the columns those of `FACTS` in order.

    Raises:
        OSError: if a file cannot be read.
    """
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        rows = list(pool.map(_facts, paths))
    return np.array(rows, "float64").reshape(len(rows), -1)


def told_by_facts(facts, labels):
    """Which pictures a random forest that has not seen them tells rightly by their facts.

    Args:
        facts: what `file_facts` returned.
        labels: integers of shape `(files,)`.

    Returns:
        Dict from the names of `FACTS`, of those that vary, to a bool for each picture.
    """
    correct, start = {}, 0
    for name, columns in FACTS.items():
        chosen = facts[:, start : start + len(columns)]
        start += len(columns)
        if np.ptp(chosen, axis=0).any():
            correct[name] = _forest(chosen, labels) == labels
    return correct


def _facts(path):
    from PIL import Image

    size = os.path.getsize(path)
    with Image.open(path) as image:
        width, height = image.size
        kind = _FORMATS.index(image.format) if image.format in _FORMATS else len(_FORMATS)
        image.draft("RGB", (_SIDE, _SIDE))
        small = in_mode(image, "RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, "float64")
    saturation = float(np.mean(pixels.max(axis=2) - pixels.min(axis=2)))
    return (
        width, height, width / height,
        size, size / (width * height), kind,
        pixels.mean(), pixels.std(),
        saturation, saturation < 1.0,
    )  # fmt: skip


def _forest(columns, labels):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_predict

    forest = RandomForestClassifier(_NUM_TREES, min_samples_leaf=5, random_state=0)
    folds = stratified_folds(labels, _NUM_FOLDS, seed=0)
    with warnings.catch_warnings():
        # Few pictures a class are no regression.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        return cross_val_predict(forest, columns, labels, cv=folds)
