"""Images whose label is likely wrong."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_transfer import _progress
from keras_transfer._statistics.linear_models import check_features, cross_validate

# With smaller classes, labels of other classes become suspicious: 34 instead of 11 of 200 clean
# ones.
_FEWEST = 3
# Of the way from chance to an accuracy of 1: a worse probe calls difficult images wrong.
_LEAST_SKILL = 0.5
# The most precise filter of cleanlab on photographs, with about the best recall.
_FILTER = "low_self_confidence"


@dataclasses.dataclass(frozen=True)
class LabelError:
    """An image that looks like one of another class.

    Attributes:
        index: the index of the image.
        given: the class of its label.
        suggested: the predicted class.
        given_probability: the cross-validated probability of the label's class.
        suggested_probability: the probability of the predicted class.
    """

    index: int
    given: str
    suggested: str
    given_probability: float
    suggested_probability: float


@dataclasses.dataclass(frozen=True)
class LabelErrors:
    """Labels that are likely wrong.

    Attributes:
        errors: tuple of `LabelError`, the most likely first; empty if the probes' accuracy is
            less than halfway from chance to 1, which is too low to judge labels.
        num_judged: the number of images in classes of at least three, or of at least two if
            fewer than two classes have three.
        correct: bool array of shape `(images,)`, whether the cross-validated prediction is the
            label; False for images that were not judged.
        chance: the share of the largest class among those judged.
    """

    errors: tuple
    num_judged: int
    correct: np.ndarray
    chance: float

    @property
    def accuracy(self):
        """The cross-validated accuracy of the probes on the judged images."""
        return float(np.sum(self.correct) / max(self.num_judged, 1))

    @property
    def can_judge(self):
        """Whether the probes are accurate enough to call a label wrong."""
        return self.accuracy - self.chance >= _LEAST_SKILL * (1 - self.chance)

    @property
    def severity(self):
        """The severity of the finding."""
        return "warning" if self.errors else "note"

    @property
    def conclusion(self):
        """How many labels are likely wrong, or why that cannot be judged."""
        if not self.can_judge:
            return (
                "The labels cannot be judged: linear probes have a cross-validated accuracy of "
                f"{self.accuracy:.0%}, chance is {self.chance:.0%}."
            )
        return (
            f"{len(self.errors)} of {self.num_judged} labels "
            f"({len(self.errors) / max(self.num_judged, 1):.1%}) are likely "
            "wrong, or their images difficult: linear probes with a cross-validated accuracy "
            f"of {self.accuracy:.0%} predict another class."
        )

    def to_json(self):
        """The errors and figures as a dict."""
        return {
            "num_judged": self.num_judged,
            "accuracy": self.accuracy,
            "chance": self.chance,
            "can_judge": self.can_judge,
            "errors": [dataclasses.asdict(error) for error in self.errors],
        }


@_progress.step("looking for wrong labels")
def label_errors(
    features: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> LabelErrors:
    """Finds labels that are likely wrong, by confident learning.

    Linear probes predict each image in a fold that they were not fitted on. A label counts as
    wrong if the predicted class is another one and has at least the mean probability that
    images of that class have for it.

    Args:
        features: array of shape `(images, features)`.
        labels: integers of shape `(images,)`, indices into `class_names`.
        class_names: the names of the classes.

    Returns:
        `LabelErrors`.

    Raises:
        ImportError: if cleanlab is not installed.
        ValueError: if the features are not a finite matrix, the labels do not match, or fewer
            than two classes have two images.

    Example:
        >>> features = np.repeat(np.eye(3), 20, axis=0)
        >>> labels = np.repeat(np.arange(3), 20)
        >>> labels[4] = 1
        >>> (error,) = auditing.label_errors(features, labels, ["red", "green", "blue"]).errors
        >>> error.index, error.given, error.suggested
        (4, 'green', 'red')

    Reference:
        Northcutt, Jiang, Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
        JAIR 2021.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise ImportError("Label errors need cleanlab: pip install cleanlab") from error
    features, labels = check_features(features, labels)
    if labels.max() >= len(class_names):
        raise ValueError(
            "`labels` must be indices into `class_names`. "
            f"Received: the label {labels.max()} for {len(class_names)} classes"
        )
    counts = np.bincount(labels)
    fewest = _FEWEST if np.sum(counts >= _FEWEST) > 1 else 2
    judged = np.flatnonzero(counts[labels] >= fewest)
    present, given = np.unique(labels[judged], return_inverse=True)
    if len(present) < 2:
        raise ValueError(
            "At least two classes must have two images. "
            f"Received: {counts.tolist()} images in the classes"
        )
    probe = cross_validate(features[judged], given)
    order = find_label_issues(
        given, probe.probabilities, return_indices_ranked_by="self_confidence", n_jobs=1,
        filter_by=_FILTER,
    )  # fmt: skip
    errors = []
    for row in order:
        probabilities = probe.probabilities[row]
        own, other = given[row], int(probabilities.argmax())
        errors.append(
            LabelError(
                int(judged[row]), class_names[present[own]], class_names[present[other]],
                round(float(probabilities[own]), 4), round(float(probabilities[other]), 4),
            )
        )  # fmt: skip
    correct = np.zeros(len(labels), bool)
    correct[judged] = probe.correct
    chance = float(np.bincount(given).max() / len(given))
    found = LabelErrors(tuple(errors), len(judged), correct, chance)
    return found if found.can_judge else dataclasses.replace(found, errors=())
