"""Shortcut features: what predicts the class though it is not the subject."""

import concurrent.futures
import dataclasses
import os
import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_transfer import _progress
from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer._statistics.linear_models import cross_validate, stratified_folds
from keras_transfer.backbones import Backbone
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.data.opened_files import FORMATS, open_file
from keras_transfer.data.scanning import in_mode
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import check_order, pooled_features

# Of all tests together.
_LEVEL = 0.05
# A shortcut this large, as a share of the whole image's accuracy above chance, is an alarm.
_LARGE_SHARE = 0.5
# A dress reaches the border, and a ripe apple is red.
_MAY_BE_SUBJECT = ("border", "brightness", "colour")
# Shares of a side: the width of the frame, and the side of a corner.
_FRAME, _CORNER = 1 / 8, 1 / 5
_GREY = 127.5
# The columns of `file_facts`, grouped into shortcuts.
FACTS = {
    "image size": ("width", "height", "aspect ratio"),
    "file": ("bytes", "bytes per pixel", "format"),
    "brightness": ("brightness", "contrast"),
    "colour": ("saturation", "grey"),
}
_FORMATS = (*FORMATS, "MPO")  # MPO: a JPEG with further images, of some cameras
_SIDE = 64
_NUM_TREES, _NUM_FOLDS = 50, 5


@dataclasses.dataclass(frozen=True)
class Shortcut:
    """How well the class is predicted from something other than the subject.

    Attributes:
        name: "border", "corners", "image size", "file", "brightness" or "colour".
        accuracy: cross-validated.
        interval: `(low, high)`, the 95% Wilson interval of the accuracy.
        p_value: of the test that the accuracy is that of the largest class, corrected for the
            number of shortcuts.
        share: the accuracy above chance, as a share of the whole image's.
        least_share: the same at the lower end of the interval.
        above_chance: whether the test rejects.
    """

    name: str
    accuracy: float
    interval: tuple
    p_value: float
    share: float
    least_share: float
    above_chance: bool

    @property
    def is_large(self):
        """Whether it significantly reaches half of the whole image's accuracy above chance."""
        return self.above_chance and self.least_share >= _LARGE_SHARE


@dataclasses.dataclass(frozen=True)
class Confounds:
    """The accuracies of shortcuts beside that of the whole image.

    Attributes:
        whole: the cross-validated accuracy of a linear probe on whole images.
        whole_interval: `(low, high)`, the 95% confidence interval of it.
        chance: the share of the largest class.
        shortcuts: tuple of `Shortcut`, the most accurate first.
        num_images: the number of images that the classifiers were fitted and tested on.
    """

    whole: float
    whole_interval: tuple
    chance: float
    shortcuts: tuple
    num_images: int

    @property
    def found(self):
        """The shortcuts that are significantly better than chance."""
        return tuple(shortcut for shortcut in self.shortcuts if shortcut.above_chance)

    @property
    def large(self):
        """The large shortcuts that cannot be part of the subject."""
        return tuple(
            shortcut
            for shortcut in self.shortcuts
            if shortcut.is_large and shortcut.name not in _MAY_BE_SUBJECT
        )

    @property
    def severity(self):
        """The severity of the finding."""
        return "alarm" if self.large else "warning" if self.found else "note"

    @property
    def conclusion(self):
        """Whether shortcuts predict the class, and what to do about it."""
        # A sample of the images, in which the largest class may have another share.
        beside = (
            f"whole images {self.whole:.0%}, chance {self.chance:.0%}, n = {self.num_images}"
        )
        if not self.found:
            return f"No shortcut predicts the class better than chance ({beside})."
        named = ", ".join(f"{one.name} {one.accuracy:.0%}" for one in self.found)
        if not self.large:
            return (
                f"Parts other than the centre predict the class better than chance: {named} "
                f"({beside}). In photographs this may be a subject that reaches the border, "
                "its brightness and colour, or a typical background."
            )
        return (
            "The class can be predicted without the subject, from shortcuts: "
            f"{named} ({beside}). The classes may differ in how the images were made, such as "
            "a hospital, a camera or a mark in a corner, or in their background. A model may "
            "learn that instead of the subject: test it on images from another source."
        )

    def to_json(self):
        """The figures as a dict."""
        return dataclasses.asdict(self)


@_progress.step("looking for shortcuts")
def confounds(
    dataset: tf.data.Dataset,
    backbone: Backbone,
    cache: FeatureCache | None = None,
    paths: Sequence[str | os.PathLike] | None = None,
    features: np.ndarray | None = None,
    max_images: int = 2000,
) -> Confounds:
    """Tests whether the class can be predicted without the centre of the images.

    Linear probes see the border or the corners alone, the rest is grey; random forests see
    facts about the files. Their cross-validated accuracies are compared with the share of the
    largest class by binomial tests with Bonferroni correction, and with that of a linear probe
    on whole images.

    A shortcut need not be an error: bees sit on flowers, and flowers reach the border.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)` in a fixed order.
        backbone: a `Backbone`.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        paths: the images' files in the order of the dataset. Defaults to None: sizes, files,
            brightness and colour are not tested.
        features: those of the whole images. Defaults to None, they are computed.
        max_images: of more images a sample is drawn. Defaults to 2000.

    Returns:
        `Confounds`.

    Raises:
        ValueError: if paths or features do not have one row for each image, there are fewer
            than two classes, or the order of the images changes in each pass.

    Example:
        >>> found = auditing.confounds(splits.train_in_order, backbone)
        >>> [shortcut.name for shortcut in found.shortcuts]
        ['border', 'corners']

    Reference:
        Zech et al., Variable Generalization Performance of a Deep Learning Model to Detect
        Pneumonia in Chest Radiographs, PLOS Medicine 2018; Geirhos et al., Shortcut Learning in
        Deep Neural Networks, Nature Machine Intelligence 2020.
    """
    check_order(dataset)
    parts = {
        part.__name__: pooled_features(backbone, masked(dataset, part), cache)
        for part in (border, corners)
    }
    labels = parts["border"].labels
    if features is None:
        features = pooled_features(backbone, dataset, cache).features
    for name, rows in (("paths", paths), ("features", features)):
        if rows is not None and len(rows) != len(labels):
            raise ValueError(
                f"`{name}` must have one row for each image of the dataset. "
                f"Received: {len(rows)} for {len(labels)} images"
            )
    kept = np.sort(np.random.default_rng(0).permutation(len(labels))[:max_images])
    whole = cross_validate(np.asarray(features)[kept], labels[kept])
    correct = {
        name: cross_validate(part.features[kept], labels[kept]).correct
        for name, part in parts.items()
    }
    if paths is not None:
        correct |= correct_by_facts(file_facts([paths[row] for row in kept]), labels[kept])
    chance = float(np.bincount(labels[kept]).max() / len(kept))
    beyond = max(whole.accuracy - chance, 1 / len(kept))
    shortcuts = [
        _shortcut(name, hits, chance, beyond, len(correct)) for name, hits in correct.items()
    ]
    shortcuts.sort(key=lambda shortcut: -shortcut.accuracy)
    return Confounds(whole.accuracy, whole.interval, chance, tuple(shortcuts), len(kept))


def border(height, width):
    """A bool array of shape `(height, width)`, True in the frame of an image."""
    rows, columns = (max(1, round(_FRAME * side)) for side in (height, width))
    kept = np.ones((height, width), bool)
    kept[rows : height - rows, columns : width - columns] = False
    return kept


def corners(height, width):
    """A bool array of shape `(height, width)`, True in the four corners of an image."""
    rows, columns = (max(1, round(_CORNER * side)) for side in (height, width))
    y, x = np.arange(height), np.arange(width)
    return np.outer((y < rows) | (y >= height - rows), (x < columns) | (x >= width - columns))


def masked(dataset, part):
    """The dataset with all but a part of the images grey, `border` or `corners`."""

    def hide(images, *labels):
        kept = part(*images.shape[-3:-1])[..., np.newaxis].astype("float32")
        images = images * kept + (1 - kept) * _GREY
        return (images, *labels) if labels else images

    source = getattr(dataset, "source", None)
    if source is None or source.draws_differ:
        return dataset.map(hide)
    hidden = dataclasses.replace(
        source,
        examples=lambda start=0: source.examples(start).map(hide),
        fingerprint=f"{source.fingerprint}-{part.__name__}",
    )
    return LabeledDataset(dataset.map(hide), dataset.class_names, source.num_images, hidden)


def file_facts(paths):
    """A float array of shape `(files, columns)`, the columns of `FACTS` in order."""
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        return np.array(list(pool.map(_facts, paths)), "float64")


def correct_by_facts(facts, labels):
    """For each group of `FACTS` that varies, which labels a random forest predicts."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_predict

    correct, start = {}, 0
    folds = stratified_folds(labels, _NUM_FOLDS, seed=0)
    for name, columns in FACTS.items():
        chosen = facts[:, start : start + len(columns)]
        start += len(columns)
        if np.ptp(chosen, axis=0).any():
            forest = RandomForestClassifier(_NUM_TREES, min_samples_leaf=5, random_state=0)
            with warnings.catch_warnings():
                # Raised for few images in each class.
                warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
                correct[name] = cross_val_predict(forest, chosen, labels, cv=folds) == labels
    return correct


def _shortcut(name, correct, chance, beyond, number):
    from scipy.stats import binomtest

    test = binomtest(int(correct.sum()), len(correct), min(chance, 1.0), alternative="greater")
    p_value = min(1.0, float(test.pvalue) * number)
    accuracy, interval = float(correct.mean()), wilson_interval(correct.sum(), len(correct))
    share, least_share = (max(0.0, one - chance) / beyond for one in (accuracy, interval[0]))
    return Shortcut(name, accuracy, interval, p_value, share, least_share, p_value <= _LEVEL)


def _facts(path):
    size = os.path.getsize(path)
    with open_file(path) as image:
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
