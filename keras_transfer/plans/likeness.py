"""How much data there is, and how like the data that a backbone was trained on."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._statistics.intervals import difference_interval
from keras_transfer.backbones.random_twins import random_twin
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import pooled_features
from keras_transfer.models.checks import as_backbone


@dataclasses.dataclass(frozen=True)
class Likeness:
    """The figures that a recommendation follows from.

    Attributes:
        num_images: the number of training images.
        num_classes: the number of classes.
        chance: the accuracy of always predicting the largest class.
        accuracy: the cross-validated accuracy of a linear probe on the pretrained features.
        interval: `(low, high)`, the 95% confidence interval of that accuracy.
        random_accuracy: the accuracy of the probe on the backbone with random weights:
            `accuracy` less the difference on a sample.
        gain: `(low, high)`, the 95% confidence interval of that difference.
        augmented_accuracy: the accuracy of the probe, fitted on the images as they are, on
            augmented images; None without an augmentation.
    """

    num_images: int
    num_classes: int
    chance: float
    accuracy: float
    interval: tuple
    random_accuracy: float
    gain: tuple
    augmented_accuracy: float | None = None

    @property
    def images_per_class(self):
        """The mean number of images in a class."""
        return self.num_images / self.num_classes

    @property
    def skill(self):
        """The probe's accuracy on a scale where 0 is chance and 1 is perfect."""
        return (self.accuracy - self.chance) / (1 - self.chance)

    @property
    def augmentation_loss(self):
        """The share of the probe's skill that it loses on augmented images; 0 if unknown."""
        if self.augmented_accuracy is None or self.accuracy <= self.chance:
            return 0.0
        return (self.accuracy - self.augmented_accuracy) / (self.accuracy - self.chance)

    def to_json(self):
        """The figures as numbers and lists."""
        return {**dataclasses.asdict(self), "skill": self.skill}

    def sentences(self):
        """The figures in sentences."""
        found = [
            f"{self.num_images} examples, {self.images_per_class:.0f} per class. A linear "
            "probe on the pretrained features has a cross-validated accuracy of "
            f"{self.accuracy:.1%} "
            f"(95% CI {self.interval[0]:.1%} to {self.interval[1]:.1%}); on random weights "
            f"{self.random_accuracy:.1%}, chance is {self.chance:.1%}."
        ]
        if self.augmented_accuracy is not None:
            found.append(
                f"On augmented images the same probe has an accuracy of "
                f"{self.augmented_accuracy:.1%}."
            )
        return found

    def rows(self):
        """The figures as a table: a list of tuples of strings, the first one the header."""
        return [
            ("what", "value", "meaning"),
            ("images", f"{self.num_images:,}", "how much data"),
            ("images per class", f"{self.images_per_class:.0f}", ""),
            ("probe", f"{self.accuracy:.1%}", "accuracy on pretrained features"),
            ("95% CI", "{:.1%} to {:.1%}".format(*self.interval), "of that accuracy"),
            ("probe, random weights", f"{self.random_accuracy:.1%}", "without pretraining"),
            ("gain, 95% CI", "{:+.1%} to {:+.1%}".format(*self.gain), "value of pretraining"),
            ("skill", f"{self.skill:.2f}", "0 is chance, 1 is perfect"),
            *(
                [("probe, augmented images", f"{augmented:.1%}", "does augmentation harm?")]
                if (augmented := self.augmented_accuracy) is not None
                else []
            ),
        ]


# Images, and images per class, that show well enough what random weights reach and what an
# augmentation does.
_SAMPLE, _PER_CLASS = 600, 10


@_progress.step("measuring the images")
def measure_likeness(
    dataset: tf.data.Dataset,
    backbone: keras.Model,
    cache: FeatureCache | None = None,
    seed: int = 0,
) -> Likeness:
    """Measures how like the data of the source a data set is.

    The training uses the features of all images again. Random weights and augmented images
    cost time of their own, and are measured on a sample: 600 images, or 10 per class.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`.
        backbone: a `Backbone`, or another functional or sequential model, with pretrained
            weights.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        seed: of the folds and of the random weights. Defaults to 0.

    Returns:
        A `Likeness`.

    Raises:
        ValueError: if an image does not have exactly one label.
    """
    backbone = as_backbone(backbone)
    cache = FeatureCache() if cache is None else cache
    pooled = pooled_features(backbone, dataset, cache)
    if pooled.labels is None:
        raise ValueError("A recommendation needs labels. Received: a dataset without labels")
    some = _sampled(dataset)
    changed = _augmented_features(backbone, some, cache)
    probe = pooled.cross_validate(seed=seed, changed=changed)
    twin = pooled_features(random_twin(backbone, seed), some, cache)
    random = twin.cross_validate(seed=seed)
    size = len(twin.labels)
    pretrained = probe
    if some is not dataset:
        first = dataclasses.replace(twin, features=pooled.features[:size])
        pretrained = first.cross_validate(seed=seed)
    counts = np.unique(pooled.labels, return_counts=True)[1]
    return Likeness(
        num_images=len(pooled.labels),
        num_classes=len(counts),
        chance=float(counts.max() / len(pooled.labels)),
        accuracy=probe.accuracy,
        interval=probe.interval,
        random_accuracy=probe.accuracy - (pretrained.accuracy - random.accuracy),
        gain=difference_interval(
            pretrained.correct,
            random.correct,
            np.array_equal(pooled.labels[:size], twin.labels),
            twin.groups,
        ),
        augmented_accuracy=probe.changed_accuracy,
    )


def _sampled(dataset):
    """A random sample of the images, or the dataset where their order is unknown."""
    source = getattr(dataset, "source", None)
    if source is None or not source.in_random_order:
        return dataset
    size = max(_SAMPLE, _PER_CLASS * len(dataset.class_names))
    if source.num_images <= size:
        return dataset
    plain = dataclasses.replace(source.first(size), augmentation=None)
    batches = plain.examples().batch(plain.batch_size)
    some = LabeledDataset(batches, dataset.class_names, size, plain)
    return some if source.augmentation is None else source.augmentation(some)


def _augmented_features(backbone, dataset, cache):
    """The features of augmented images in the order of the others, or None."""
    source = getattr(dataset, "source", None)
    is_augmented = source is not None and source.augmentation is not None
    if not is_augmented or not source.fixed_order or source.augmentation.mixes_labels:
        return None
    return pooled_features(backbone, dataset, cache, augmented=True).features
