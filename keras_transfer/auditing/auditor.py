"""Whether data are what one thinks they are."""

import dataclasses
import math

import numpy as np

from keras_transfer.auditing.audited_set import NEW, audited_sets
from keras_transfer.auditing.class_imbalance import imbalance
from keras_transfer.auditing.duplicates import NearDuplicates, near_duplicates
from keras_transfer.auditing.findings import all_findings
from keras_transfer.auditing.group_accuracies import group_accuracy
from keras_transfer.auditing.mislabeling import LabelErrors, label_errors
from keras_transfer.auditing.shifts import FEWEST, domain_shift
from keras_transfer.auditing.shortcuts import Confounds, confounds

# Of a test: what a lower one takes does not fit into memory.
_LEAST_LEVEL = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class Audit:
    """What was found in a data set.

    The pictures of all sets are numbered through: train, validation, test, new.

    Attributes:
        sizes: dict from the name of each set to its number of pictures.
        names: the path of each picture, or its set and number.
        classes: dict from the name of each labelled set to its `Imbalance`.
        duplicates: the `NearDuplicates` of all sets.
        labels: the `LabelErrors` of all labelled sets.
        shifts: dict from the name of each other set to two `DomainShift`: of the features, and
            of how the pictures look, between train and that set. Without those of fewer than
            10 pictures.
        confounds: the `Confounds` of train.
        groups: a tuple of `GroupAccuracy`; empty without groups.
        unreadable: tuple of `(path, reason)`, the files that were left out.
        pictures: for each picture its path or a small array, to show it.
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
    pictures: tuple = dataclasses.field(default=(), repr=False)

    @property
    def findings(self):
        """A tuple of `Finding`, alarms first."""
        return all_findings(self)

    def to_json(self):
        """The findings and all details as dicts and lists."""
        errors = self.labels.to_json()
        for error in errors["errors"]:
            error["name"] = self.names[error["index"]]
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "sizes": self.sizes,
            "classes": {name: counted.to_json() for name, counted in self.classes.items()},
            "duplicates": self.duplicates.to_json(),
            "labels": errors,
            "shifts": {
                name: {"features": of_features.to_json(), "looks": of_looks.to_json()}
                for name, (of_features, of_looks) in self.shifts.items()
            },
            "shortcuts": self.confounds.to_json(),
            "groups": [group.to_json() for group in self.groups],
            "unreadable": [list(file) for file in self.unreadable],
        }

    def to_markdown(self):
        """The findings and the details that a person reads, as Markdown."""
        from keras_transfer.auditing.audit_text import markdown

        return markdown(self)


def audit(
    train,
    validation=None,
    test=None,
    new=None,
    *,
    backbone,
    cache=None,
    groups=None,
    level=0.05,
):
    """Looks for what makes a score or a model worthless before anything is trained.

    Copies of pictures within and across the splits; labels that are likely to be wrong; whether
    validation, test and new pictures differ from those to train on; what tells the classes
    apart though it should not; classes of uneven size; groups that are told worse than others.

    Args:
        train: an `ImageSplits`, or a `tf.data.Dataset` of batches `(images, labels)`. One that
            `keras_transfer.data` has not made must come in the same order in each pass.
        validation: a dataset. Defaults to None; an `ImageSplits` has its own.
        test: the same.
        new: the path of a folder of pictures, with labels or without, or a dataset: pictures
            that a model is to be used on. Defaults to None.
        backbone: a `Backbone`, whose features say what is on the pictures.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        groups: dict from the name of a set to the group of each of its pictures, in the order
            of `ImageSplits.paths`, or None for a picture of no group; see `groups_from_csv`.
            Defaults to None.
        level: the probability that sets from one source raise an alarm of a shift, whatever
            the number of sets. Defaults to 0.05. The other tests have 0.05 each.

    Returns:
        `Audit`.

    Raises:
        ImportError: without imagehash and cleanlab.
        FileNotFoundError: for a folder of new pictures that is not there.
        ValueError: for sets without labels or with other classes, or groups that do not fit.

    Example:
        >>> from keras_transfer import auditing, data
        >>> splits = data.image_folder("photos", image_size=160)  # doctest: +SKIP
        >>> found = auditing.audit(splits, new="phone", backbone=backbone)  # doctest: +SKIP
        >>> [finding.sentence for finding in found.findings]  # doctest: +SKIP
    """
    given = {"train": train, "validation": validation, "test": test, NEW: new}
    sets = audited_sets(given, backbone, cache)
    groups = _checked_groups(groups, sets)
    labelled = [one for one in sets if one.name != NEW]
    first, pictures = sets[0], tuple(picture for one in sets for picture in one.pictures)
    class_names = _class_names(labelled)
    errors = label_errors(
        np.concatenate([one.features for one in labelled]),
        np.concatenate([one.labels for one in labelled]),
        class_names,
    )
    return Audit(
        sizes={one.name: len(one.features) for one in sets},
        names=_names(sets),
        classes={one.name: imbalance(one.labels, class_names) for one in labelled},
        duplicates=_duplicates(sets, pictures),
        labels=errors,
        shifts=_shifts(sets, level),
        confounds=confounds(
            first.dataset, backbone, cache, paths=first.paths, features=first.features
        ),
        groups=group_accuracy(errors.correct, groups) if any(groups) else (),
        unreadable=tuple(file for one in sets for file in one.unreadable),
        pictures=pictures,
    )


def _class_names(labelled):
    """The names of the classes; of unnamed ones, their numbers."""
    highest = max(int(one.labels.max()) for one in labelled)
    return labelled[0].class_names or tuple(map(str, range(highest + 1)))


def _names(sets):
    return tuple(
        picture if isinstance(picture, str) else f"{one.name} {number}"
        for one in sets
        for number, picture in enumerate(one.pictures)
    )


def _duplicates(sets, pictures):
    splits = [one.name for one in sets for _ in one.pictures]
    labels = [
        None if one.labels is None else label
        for one in sets
        for label in (one.pictures if one.labels is None else one.labels.tolist())
    ]
    features = np.concatenate([one.features for one in sets])
    return near_duplicates(pictures, features, splits, labels)


def _shifts(sets, level):
    """Each set against train; all tests together keep to the level."""
    train, *others = [one for one in sets if len(one.features) >= FEWEST] or sets[:1]
    if train.name != "train":
        return {}
    level = level / max(1, 2 * len(others))
    # So many that the tests can reach it; a level that is none is told by the tests.
    draws = max(999, math.ceil(4 / max(level, _LEAST_LEVEL)))
    return {
        one.name: (
            domain_shift(train.features, one.features, level, draws),
            domain_shift(train.statistics, one.statistics, level, draws),
        )
        for one in others
    }


def _checked_groups(groups, sets):
    """The group of each labelled picture, numbered through."""
    sizes = {one.name: len(one.features) for one in sets if one.name != NEW}
    groups = dict(groups or {})
    for name, found in groups.items():
        if len(found) != sizes.get(name):
            raise ValueError(
                "`groups` must have the group of each picture of a set, by the set's name. "
                f"Received: {len(found)} for {name!r}; the sets have {sizes}"
            )
    return [group for name, size in sizes.items() for group in groups.get(name, [None] * size)]
