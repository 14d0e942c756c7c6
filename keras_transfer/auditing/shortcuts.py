"""What tells the classes apart though it should not."""

import dataclasses

import numpy as np

from keras_transfer._statistics.intervals import bootstrap_interval
from keras_transfer._statistics.linear_models import cross_validate
from keras_transfer.auditing import masked_pictures
from keras_transfer.auditing.file_facts import file_facts, told_by_facts
from keras_transfer.features.pooled import check_order, pooled_features

# Of what the whole picture tells beyond chance: from here on a shortcut would be worth it.
_LARGE_SHARE = 0.5
# A dress reaches to the border, and a ripe apple is red.
_MAY_BE_SUBJECT = ("border", "brightness", "colour")


@dataclasses.dataclass(frozen=True)
class Shortcut:
    """How well the classes are told apart by something that should not tell them.

    Attributes:
        name: of what: "border", "corners", "image size", "file", "brightness", "colour".
        accuracy: of a classifier on pictures that it has not seen.
        interval: `(low, high)`, 95% of the accuracy over pictures that are drawn anew.
        p_value: of the test that the accuracy is that of the largest class, corrected for the
            number of shortcuts.
        share: of what the whole picture tells beyond chance, how much this does.
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
        """Whether it is beyond chance and surely worth at least half of the whole picture."""
        return self.above_chance and self.least_share >= _LARGE_SHARE


@dataclasses.dataclass(frozen=True)
class Confounds:
    """How well shortcuts tell the classes apart, beside the whole picture.

    Attributes:
        whole: the accuracy of a linear probe on the whole pictures.
        whole_interval: `(low, high)` of it.
        chance: the share of the largest class.
        shortcuts: a tuple of `Shortcut`, the most accurate first.
        num_pictures: how many pictures the classifiers were fitted and tested on.
    """

    whole: float
    whole_interval: tuple
    chance: float
    shortcuts: tuple
    num_pictures: int

    @property
    def found(self):
        """The shortcuts beyond chance, the most accurate first."""
        return tuple(shortcut for shortcut in self.shortcuts if shortcut.above_chance)

    @property
    def large(self):
        """Those surely worth at least half of the whole picture, and never the subject."""
        return tuple(
            shortcut
            for shortcut in self.shortcuts
            if shortcut.is_large and shortcut.name not in _MAY_BE_SUBJECT
        )

    @property
    def sentence(self):
        """What was found, in words."""
        beside = f"whole pictures {self.whole:.0%}, the largest class alone {self.chance:.0%}"
        if not self.found:
            return f"No shortcut tells the classes apart beyond chance ({beside})."
        named = ", ".join(f"{one.name} {one.accuracy:.0%}" for one in self.found)
        if not self.large:
            return (
                f"Some of what tells the classes apart is not in the middle: {named} "
                f"({beside}). In photographs that may be a subject that reaches to the border, "
                "its light and colour, or the background that goes with a class."
            )
        return (
            f"Something other than the subject separates the classes: {named} ({beside}). "
            "That may be how the pictures were made, such as a hospital, a camera or a mark in "
            "a corner, or in photographs the background that goes with a class. A model may "
            "learn that instead: test it on pictures from another source."
        )

    def to_json(self):
        """The figures as dicts."""
        return dataclasses.asdict(self)


def confounds(
    dataset, backbone, cache=None, paths=None, features=None, level=0.05, most_pictures=2000
):
    """Tries to tell the classes without a look at the middle of the pictures.

    Linear probes on features of the frame alone and of the corners alone, all else grey, and
    random forests on facts about the files, each tested on pictures that it has not seen. They
    are compared with the share of the largest class by a binomial test, corrected for their
    number (Bonferroni), and with a linear probe on the whole pictures.

    What is found need not be a fault: bees sit on flowers, and flowers reach to the border.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)` in a fixed order.
        backbone: a `Backbone`.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        paths: the pictures' files in the order of the dataset. Defaults to None: then nothing
            is told about sizes, files, brightness and colour.
        features: those of the whole pictures, where they are known. Defaults to None.
        level: of all tests together. Defaults to 0.05.
        most_pictures: to fit and test on; of more, so many are drawn. Defaults to 2000.

    Returns:
        `Confounds`.

    Raises:
        ValueError: for paths or features of another number than the pictures, fewer than two
            classes, or pictures that come in another order in each pass.

    Reference: Zech et al., Variable Generalization Performance of a Deep Learning Model to
        Detect Pneumonia in Chest Radiographs, PLOS Medicine 2018; Geirhos et al., Shortcut
        Learning in Deep Neural Networks, Nature Machine Intelligence 2020.
    """
    check_order(dataset)
    parts = {
        part.__name__: pooled_features(backbone, masked_pictures.masked(dataset, part), cache)
        for part in (masked_pictures.border, masked_pictures.corners)
    }
    labels = parts["border"].labels
    if features is None:
        features = pooled_features(backbone, dataset, cache).features
    _check(labels, paths, features)
    kept = _drawn(labels, most_pictures)
    whole = cross_validate(np.asarray(features)[kept], labels[kept])
    correct = {
        name: cross_validate(part.features[kept], labels[kept]).correct
        for name, part in parts.items()
    }
    if paths is not None:
        facts = file_facts([paths[row] for row in kept])
        correct |= told_by_facts(facts, labels[kept])
    chance = float(np.bincount(labels[kept]).max() / len(kept))
    beyond = max(whole.accuracy - chance, 1 / len(kept))
    shortcuts = [
        _shortcut(name, right, chance, beyond, level, len(correct))
        for name, right in correct.items()
    ]
    shortcuts.sort(key=lambda shortcut: -shortcut.accuracy)
    return Confounds(whole.accuracy, whole.interval, chance, tuple(shortcuts), len(kept))


def _check(labels, paths, features):
    for name, rows in (("paths", paths), ("features", features)):
        if rows is not None and len(rows) != len(labels):
            raise ValueError(
                f"`{name}` must have a row for each picture of the dataset. "
                f"Received: {len(rows)} for {len(labels)} pictures"
            )


def _drawn(labels, most):
    """The numbers of the pictures to look at, in order."""
    if len(labels) <= most:
        return np.arange(len(labels))
    return np.sort(np.random.default_rng(0).permutation(len(labels))[:most])


def _shortcut(name, correct, chance, beyond, level, number):
    from scipy.stats import binomtest

    test = binomtest(int(correct.sum()), len(correct), min(chance, 1.0), alternative="greater")
    p_value = min(1.0, float(test.pvalue) * number)
    accuracy, interval = float(correct.mean()), bootstrap_interval(correct)
    share, least_share = (max(0.0, one - chance) / beyond for one in (accuracy, interval[0]))
    return Shortcut(name, accuracy, interval, p_value, share, least_share, p_value <= level)
