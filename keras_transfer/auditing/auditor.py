"""The audit of a data set: what makes its labels, splits or classes misleading."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._text import one_line
from keras_transfer.auditing import findings
from keras_transfer.auditing.audited_sets import NEW, audited_sets
from keras_transfer.auditing.duplicates import NearDuplicates, near_duplicates
from keras_transfer.auditing.groups import group_accuracy
from keras_transfer.auditing.mislabeling import LabelErrors, label_errors
from keras_transfer.auditing.shifts import FEWEST, domain_shift
from keras_transfer.auditing.shortcuts import Confounds, confounds
from keras_transfer.backbones import Backbone
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.features import FeatureCache

# Permutations for a lower level would not fit into memory.
_LEAST_LEVEL = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class Audit:
    """The findings in a data set.

    Image indices count through all sets: train, validation, test, new.

    Attributes:
        sizes: dict from the name of each set to its number of images.
        names: the path of each image, or its set and index.
        classes: dict from the name of each labelled set to its `ClassSizes`.
        duplicates: the `NearDuplicates` in all sets.
        labels: the `LabelErrors` in all labelled sets.
        shifts: dict from the name of each other set with at least 10 images to two
            `DomainShift` between train and that set: of the content (features) and of the
            appearance (brightness, colour, sharpness).
        confounds: the `Confounds` of train.
        groups: tuple of `GroupAccuracy`; empty without groups.
        unreadable: tuple of `(path, reason)`, the files that were left out.
        images: the path of each image or a small array, to draw it.
    """

    sizes: dict
    names: tuple
    classes: dict
    duplicates: NearDuplicates
    labels: LabelErrors
    shifts: dict
    confounds: Confounds
    groups: tuple
    unreadable: tuple = ()
    images: tuple = dataclasses.field(default=(), repr=False)

    @property
    def findings(self):
        """Tuple of `Finding`, each with `kind`, `severity` and `conclusion`; alarms first."""
        return findings.all_findings(self)

    def rows(self):
        """The findings as a list of tuples of strings, the header first."""
        return [
            ("severity", "about", "finding"),
            *((one.severity, one.kind, one_line(one.conclusion)) for one in self.findings),
        ]

    def to_json(self):
        """The findings and all details as a dict."""
        labels = self.labels.to_json()
        for error in labels["errors"]:
            error["name"] = self.names[error["index"]]
        return {
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
            "sizes": self.sizes,
            "classes": {name: sizes.to_json() for name, sizes in self.classes.items()},
            "duplicates": self.duplicates.to_json(),
            "labels": labels,
            "shifts": {
                name: {"content": content.to_json(), "appearance": appearance.to_json()}
                for name, (content, appearance) in self.shifts.items()
            },
            "shortcuts": self.confounds.to_json(),
            "groups": [group.to_json() for group in self.groups],
            "unreadable": [list(file) for file in self.unreadable],
        }

    def to_markdown(self):
        """The findings and the main details as Markdown."""
        return findings.markdown(self)


def audit(
    train: ImageSplits | tf.data.Dataset,
    validation: tf.data.Dataset | None = None,
    test: tf.data.Dataset | None = None,
    new: str | os.PathLike | tf.data.Dataset | None = None,
    *,
    backbone: Backbone,
    cache: FeatureCache | None = None,
    groups: Mapping[str, Sequence[str | None]] | None = None,
    level: float = 0.05,
) -> Audit:
    """Checks a data set before anything is trained on it.

    It looks for copies of images within and across the splits, labels that are likely wrong,
    shifts between train and the other sets, shortcut features, imbalanced classes, and groups
    with a lower accuracy.

    Args:
        train: an `ImageSplits`, or a `tf.data.Dataset` of batches `(images, labels)`, which
            must have the same order in each pass if `keras_transfer.data` did not make it.
        validation: a dataset. Defaults to None; an `ImageSplits` has its own.
        test: a dataset. Defaults to None; an `ImageSplits` has its own.
        new: images that the model will be used on, with or without labels: the path of a
            folder, or a dataset. Defaults to None.
        backbone: a `Backbone`, whose features represent the content of the images.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        groups: dict from the name of a set to the group of each of its images, in the order of
            `ImageSplits.paths`, None for an image without a group; see `groups_from_csv`.
            Defaults to None.
        level: the probability of any false alarm about a shift, whatever the number of sets.
            Defaults to 0.05. Each other test has 0.05.

    Returns:
        An `Audit`.

    Raises:
        ImportError: if imagehash or cleanlab is not installed.
        FileNotFoundError: if the folder of new images does not exist.
        ValueError: if a split has no labels or other classes, or groups do not match.

    Example:
        >>> found = auditing.audit(splits, backbone=backbone)
        >>> found.classes["train"].conclusion
        '3 classes of 6 images each; always predicting one class has an accuracy of 33%.'
        >>> [finding.kind for finding in found.findings if finding.severity == "alarm"]
        ['shortcuts']
    """
    given = {"train": train, "validation": validation, "test": test, NEW: new}
    sets = audited_sets(given, backbone, cache)
    sizes = {one.name: len(one.features) for one in sets}
    group_names = _flat_groups(dict(groups or {}), {**sizes, NEW: 0})
    labelled = [one for one in sets if one.name != NEW]
    labels = np.concatenate([one.labels for one in labelled])
    # Classes without names are called by their index.
    class_names = sets[0].class_names or tuple(map(str, range(labels.max() + 1)))
    errors = label_errors(
        np.concatenate([one.features for one in labelled]), labels, class_names
    )
    images = tuple(image for one in sets for image in one.images)
    return Audit(
        sizes=sizes,
        names=tuple(
            image if isinstance(image, str) else f"{one.name} {index}"
            for one in sets
            for index, image in enumerate(one.images)
        ),
        classes={one.name: findings.class_sizes(one.labels, class_names) for one in labelled},
        duplicates=near_duplicates(
            images,
            np.concatenate([one.features for one in sets]),
            [one.name for one in sets for _ in one.images],
            [*labels.tolist(), *[None] * (len(images) - len(labels))],
        ),
        labels=errors,
        shifts=_shifts(sets, level),
        confounds=confounds(
            sets[0].dataset, backbone, cache, paths=sets[0].paths, features=sets[0].features
        ),
        groups=group_accuracy(errors.correct, group_names) if any(group_names) else (),
        unreadable=tuple(file for one in sets for file in one.unreadable),
        images=images,
    )


@_progress.step("comparing the sets")
def _shifts(sets, level):
    """Two tests of each set against train, with Bonferroni correction."""
    train, *others = [one for one in sets if len(one.features) >= FEWEST] or sets[:1]
    if train.name != "train":
        return {}
    level = level / max(1, 2 * len(others))
    # Enough to reach the level; `domain_shift` refuses one that is not positive.
    draws = max(999, math.ceil(4 / max(level, _LEAST_LEVEL)))
    return {
        one.name: (
            domain_shift(train.features, one.features, level, draws),
            domain_shift(train.statistics, one.statistics, level, draws),
        )
        for one in others
    }


def _flat_groups(groups, sizes):
    """The group of each labelled image, in the order of the sets."""
    for name, found in groups.items():
        if len(found) != sizes.get(name):
            raise ValueError(
                "`groups` must map the name of a set to the group of each of its images. "
                f"Received: {len(found)} for {name!r}; the sets have {sizes}"
            )
    return [group for name, size in sizes.items() for group in groups.get(name, [None] * size)]
