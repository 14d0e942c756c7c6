"""How much data there are, and how alike they are to what a backbone was trained on."""

import dataclasses

import numpy as np

from keras_transfer._statistics.h_scores import h_score
from keras_transfer._statistics.intervals import difference_interval
from keras_transfer._statistics.linear_probe import cross_validate
from keras_transfer.backbones.random_twins import random_twin
from keras_transfer.features.pooled import pooled_features
from keras_transfer.plans.source_distance import statistics_distance


@dataclasses.dataclass(frozen=True)
class Likeness:
    """The figures behind a recommendation.

    Attributes:
        num_images: the number of training pictures.
        num_classes: the number of classes.
        chance: the accuracy of always naming the largest class.
        accuracy: of a linear probe on the backbone's features, cross-validated.
        interval: `(low, high)`, 95% of that accuracy.
        random_accuracy: the same for the backbone's randomly initialised twin.
        gain: `(low, high)`, 95% of what the pretrained features gain over random ones.
        distance: see `statistics_distance`; None without BatchNormalization.
        separability: the H-score over its largest value, between 0 and 1.
    """

    num_images: int
    num_classes: int
    chance: float
    accuracy: float
    interval: tuple
    random_accuracy: float
    gain: tuple
    distance: float | None
    separability: float

    @property
    def images_per_class(self):
        """The mean number of pictures in a class."""
        return self.num_images / self.num_classes

    @property
    def skill(self):
        """The probe's accuracy between chance, 0, and perfection, 1."""
        return (self.accuracy - self.chance) / (1 - self.chance)

    def to_json(self):
        """The figures as numbers and lists."""
        return {**dataclasses.asdict(self), "skill": self.skill}


def measure_likeness(dataset, backbone, cache=None, seed=0):
    """Measures how alike a data set is to what a backbone was trained on.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`.
        backbone: a `Backbone` with pretrained weights.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        seed: of the folds and of the twin. Defaults to 0.

    Returns:
        A `Likeness`.

    Raises:
        ValueError: for data without one label each.
    """
    pooled = pooled_features(backbone, dataset, cache)
    if pooled.labels is None:
        raise ValueError("A plan needs labels. Received: a dataset of pictures without labels")
    probe = cross_validate(pooled.features, pooled.labels, seed=seed)
    twin = pooled_features(random_twin(backbone, seed), dataset, cache)
    random = cross_validate(twin.features, twin.labels, seed=seed)
    counts = np.unique(pooled.labels, return_counts=True)[1]
    return Likeness(
        num_images=len(pooled.labels),
        num_classes=len(counts),
        chance=float(counts.max() / len(pooled.labels)),
        accuracy=probe.accuracy,
        interval=probe.interval,
        random_accuracy=random.accuracy,
        gain=difference_interval(
            probe.correct, random.correct, np.array_equal(pooled.labels, twin.labels)
        ),
        distance=statistics_distance(backbone, dataset),
        separability=h_score(pooled.features, pooled.labels) / (len(counts) - 1),
    )
