"""Pictures whose label is likely to be wrong."""

import dataclasses

import numpy as np

from keras_transfer._statistics.linear_models import check_features, cross_validate

# A class of fewer makes labels of other classes suspicious: 34 instead of 11 of 200 clean ones.
_FEWEST = 3
# Of the way from always naming the largest class to being right: a probe that knows less than
# this calls hard pictures wrong.
_LEAST_SKILL = 0.5
# The most precise of cleanlab's filters, and of about the best recall, on real pictures.
_FILTER = "low_self_confidence"


@dataclasses.dataclass(frozen=True)
class LabelError:
    """A picture that looks like one of another class.

    Attributes:
        index: the number of the picture.
        given: the class that it has.
        suggested: the class that it looks like.
        given_probability: what a probe that has not seen it gives the one class.
        suggested_probability: and what it gives the other.
    """

    index: int
    given: str
    suggested: str
    given_probability: float
    suggested_probability: float


@dataclasses.dataclass(frozen=True)
class LabelErrors:
    """Which labels are likely to be wrong.

    Attributes:
        errors: a tuple of `LabelError`, the likeliest first; empty where the probes are less
            than halfway from chance to being right, which is no ground to judge by.
        num_judged: how many pictures were judged: those of classes with at least three, or with
            two where fewer than two classes have three.
        correct: a bool for each picture: whether a probe that has not seen it tells its label;
            False for those that were not judged.
        chance: the share of the largest class among those judged.
    """

    errors: tuple
    num_judged: int
    correct: np.ndarray
    chance: float

    @property
    def share(self):
        """The errors as a share of the pictures."""
        return len(self.errors) / max(self.num_judged, 1)

    @property
    def accuracy(self):
        """The share of the judged pictures that the probes are right about."""
        return float(np.sum(self.correct) / max(self.num_judged, 1))

    @property
    def can_judge(self):
        """Whether the probes know enough to call a label wrong."""
        return self.accuracy - self.chance >= _LEAST_SKILL * (1 - self.chance)

    @property
    def sentence(self):
        """What was found, in words."""
        if not self.can_judge:
            return (
                "Whether labels are wrong cannot be told: linear probes are right in "
                f"{self.accuracy:.0%} of the pictures that they have not seen, always naming "
                f"the largest class in {self.chance:.0%}."
            )
        return (
            f"{len(self.errors)} of {self.num_judged} labels ({self.share:.1%}) are likely to "
            f"be wrong, or their pictures hard: linear probes, right in {self.accuracy:.0%} of "
            "the pictures that they have not seen, see another class in them."
        )

    def to_json(self):
        """The errors as a list of dicts, and how many pictures were judged."""
        return {
            "num_judged": self.num_judged,
            "accuracy": self.accuracy,
            "chance": self.chance,
            "can_judge": self.can_judge,
            "errors": [dataclasses.asdict(error) for error in self.errors],
        }


def label_errors(features, labels, class_names, num_folds=5, seed=0):
    """Finds labels that are likely to be wrong, by confident learning.

    Linear probes are fitted and asked in turn, so that each picture is judged by one that has
    not seen it. A label counts as wrong where the probe is as sure of another class as it is
    of that class' own pictures on average, and prefers it.

    Args:
        features: an array of shape `(pictures, features)`.
        labels: integers, indices into `class_names`.
        class_names: the names of the classes.
        num_folds: how many probes; see `stratified_folds`. Defaults to 5.
        seed: of the folds. Defaults to 0.

    Returns:
        `LabelErrors`.

    Raises:
        ImportError: without cleanlab.
        ValueError: for features and labels that do not fit, or with fewer than two classes of
            two pictures.

    Reference: Northcutt, Jiang, Chuang, Confident Learning, JAIR 2021.
    """
    cleanlab = _cleanlab()
    features, labels = check_features(features, labels)
    if labels.max() >= len(class_names):
        raise ValueError(
            "`labels` must be indices into `class_names`. "
            f"Received: the label {labels.max()} for {len(class_names)} classes"
        )
    counts = np.bincount(labels)
    fewest = _FEWEST if np.sum(counts >= _FEWEST) > 1 else 2
    judged = np.flatnonzero(counts[labels] >= fewest)
    if len(np.unique(labels[judged])) < 2:
        raise ValueError(
            "`labels` must name at least two classes of two pictures. "
            f"Received: counts {counts.tolist()}"
        )
    present, own = np.unique(labels[judged], return_inverse=True)
    probe = cross_validate(features[judged], own, num_folds, seed)
    order = cleanlab.filter.find_label_issues(
        own, probe.probabilities, return_indices_ranked_by="self_confidence", n_jobs=1,
        filter_by=_FILTER
    )  # fmt: skip
    correct = np.zeros(len(labels), bool)
    correct[judged] = probe.correct
    errors = tuple(
        _error(judged[row], own[row], probe.probabilities[row], class_names, present)
        for row in order
    )
    chance = float(np.bincount(own).max() / len(own))
    found = LabelErrors(errors, len(judged), correct, chance)
    return found if found.can_judge else dataclasses.replace(found, errors=())


def _error(index, given, probabilities, class_names, present):
    suggested = int(probabilities.argmax())
    return LabelError(
        int(index),
        class_names[present[given]],
        class_names[present[suggested]],
        round(float(probabilities[given]), 4),
        round(float(probabilities[suggested]), 4),
    )


def _cleanlab():
    try:
        import cleanlab
        import cleanlab.filter
    except ImportError as error:
        raise ImportError(
            "Label errors need cleanlab: pip install 'keras-transfer[audit]'"
        ) from error
    return cleanlab
