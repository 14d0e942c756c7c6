"""Accuracy by group: hospital, camera, place, whatever a picture comes from."""

import dataclasses

import numpy as np

from keras_transfer._statistics.intervals import wilson_interval


@dataclasses.dataclass(frozen=True)
class GroupAccuracy:
    """How many of a group's pictures are told rightly.

    Attributes:
        group: its name.
        num_pictures: how many pictures are in it.
        num_correct: how many of these are told rightly.
        interval: `(low, high)` of the accuracy by Wilson's score, 95%.
        p_value: of the test that the rest is not better, corrected for the number of groups; 1
            where there is no rest.
        below: whether it is below the rest beyond chance.
    """

    group: str
    num_pictures: int
    num_correct: int
    interval: tuple
    p_value: float
    below: bool

    @property
    def accuracy(self):
        """The share that is told rightly."""
        return self.num_correct / self.num_pictures

    def to_json(self):
        """The figures as a dict."""
        return {**dataclasses.asdict(self), "accuracy": self.accuracy}


def group_accuracy(correct, groups, level=0.05):
    """The accuracy of each group, and which of them are below the rest beyond chance.

    Each group is compared with all other pictures by Fisher's exact test, one-sided; the
    p-values are multiplied by the number of groups (Bonferroni), so that all together raise a
    false alarm with a probability of at most `level`.

    Args:
        correct: a bool for each picture.
        groups: the name of each picture's group; None where it is not known, and the picture
            is left out.
        level: of the alarm. Defaults to 0.05.

    Returns:
        A tuple of `GroupAccuracy`, the least accurate first.

    Raises:
        ValueError: if there are not as many groups as answers.

    Reference: Wilson, Probable Inference, JASA 1927; Fisher, The Logic of Inductive Inference,
        JRSS 1935.
    """
    correct, groups = np.asarray(correct, bool), list(groups)
    if correct.shape != (len(groups),):
        raise ValueError(
            "`groups` must have a name for each of `correct`. "
            f"Received: {len(groups)} for shape {correct.shape}"
        )
    known = np.array([group is not None for group in groups], bool)
    names = np.array([str(group) for group in groups])
    different = np.unique(names[known])
    found = [
        _compared(str(name), correct[known], names[known] == name, len(different), level)
        for name in different
    ]
    return tuple(sorted(found, key=lambda group: (group.accuracy, group.group)))


def _compared(name, correct, belongs, num_groups, level):
    from scipy.stats import fisher_exact

    right, size = int(correct[belongs].sum()), int(belongs.sum())
    others_right, others = int(correct[~belongs].sum()), int((~belongs).sum())
    table = [[right, size - right], [others_right, others - others_right]]
    p_value = fisher_exact(table, alternative="less").pvalue if others else 1.0
    p_value = min(1.0, float(p_value) * num_groups)
    interval = wilson_interval(right, size)
    return GroupAccuracy(name, size, right, interval, p_value, p_value <= level)
