"""Whether two sets of images come from the same distribution."""

import dataclasses

import numpy as np

from keras_transfer._statistics.permutation_tests import (
    classifier_aucs,
    labelings,
    permutation_p_value,
    squared_discrepancies,
)

# Images of a set: fewer are not tested.
FEWEST = 10
_NUM_TESTS = 2


@dataclasses.dataclass(frozen=True)
class DomainShift:
    """Two tests of whether two sets of features come from the same distribution.

    Attributes:
        auc: cross-validated area under the ROC curve of a linear classifier between the sets;
            0.5 is chance.
        auc_p_value: of its permutation test.
        discrepancy: the unbiased squared maximum mean discrepancy.
        discrepancy_p_value: of its permutation test.
        level: the significance level of both tests together.
        sizes: the number of images of each set that were compared.
        given: the number of images of each set; of more than were compared a sample was drawn.
    """

    auc: float
    auc_p_value: float
    discrepancy: float
    discrepancy_p_value: float
    level: float
    sizes: tuple
    given: tuple

    @property
    def p_value(self):
        """The smaller p-value, corrected for two tests."""
        return min(1.0, _NUM_TESTS * min(self.auc_p_value, self.discrepancy_p_value))

    @property
    def alarm(self):
        """Whether the sets differ significantly."""
        return self.p_value <= self.level

    @property
    def conclusion(self):
        """Whether the sets differ significantly, with the figures."""
        effect = "differ significantly" if self.alarm else "do not differ significantly"
        drawn = "" if self.sizes == self.given else f", of {self.given[0]} and {self.given[1]}"
        return (
            f"The sets {effect} ({self.sizes[0]} and {self.sizes[1]} images{drawn}, level "
            f"{self.level:.2g}): a linear classifier separates them with an AUC of "
            f"{self.auc:.2f} (p = {self.auc_p_value:.3g}), the squared maximum mean "
            f"discrepancy is {self.discrepancy:.2g} (p = {self.discrepancy_p_value:.3g})."
        )

    def to_json(self):
        """The figures as a dict."""
        return {**dataclasses.asdict(self), "alarm": self.alarm, "conclusion": self.conclusion}


def domain_shift(
    features_a: np.ndarray,
    features_b: np.ndarray,
    level: float = 0.05,
    num_permutations: int = 999,
    max_images: int = 2000,
    seed: int = 0,
) -> DomainShift:
    """Tests whether the features of two sets of images come from the same distribution.

    Two permutation tests, with Bonferroni correction: the AUC of a linear classifier, and the
    maximum mean discrepancy. They are exact if the images are exchangeable; a series of images
    of one object that lies in one set counts as a shift.

    Another mix of classes is a shift, too: compare sets with the same mix, or the images of one
    class.

    Args:
        features_a: array of shape `(images, features)`.
        features_b: array of shape `(other images, features)`.
        level: the probability of a false alarm. Defaults to 0.05.
        num_permutations: the number of random divisions. Defaults to 999.
        max_images: the most images of a set; of more a sample is drawn. Defaults to 2000.
        seed: of the draws and permutations. Defaults to 0.

    Returns:
        `DomainShift`.

    Raises:
        ValueError: if the shapes do not match, a feature is not finite, a set has fewer than 10
            images, or no alarm is possible with so few permutations.

    Example:
        >>> random = np.random.default_rng(0)
        >>> indoors, outdoors = random.normal(0, 1, (50, 8)), random.normal(1, 1, (50, 8))
        >>> auditing.domain_shift(indoors, outdoors).alarm
        True

    Reference:
        Gretton et al., A Kernel Two-Sample Test, JMLR 2012; Lopez-Paz and Oquab, Revisiting
        Classifier Two-Sample Tests, ICLR 2017.
    """
    sets = [np.asarray(features, "float64") for features in (features_a, features_b)]
    _check(sets, level, num_permutations)
    random = np.random.default_rng(seed)
    drawn = [
        rows[random.permutation(len(rows))[:max_images]] if len(rows) > max_images else rows
        for rows in sets
    ]
    rows = _standardized(np.concatenate(drawn))
    # Shuffled, since folds follow the order.
    order = random.permutation(len(rows))
    labels = labelings(order >= len(drawn[0]), num_permutations, random)
    aucs = classifier_aucs(rows[order], labels)
    discrepancies = squared_discrepancies(rows[order], labels)
    return DomainShift(
        auc=float(aucs[0]),
        auc_p_value=permutation_p_value(aucs),
        discrepancy=float(discrepancies[0]),
        discrepancy_p_value=permutation_p_value(discrepancies),
        level=level,
        sizes=tuple(map(len, drawn)),
        given=tuple(map(len, sets)),
    )


def _check(sets, level, num_permutations):
    shapes = [rows.shape for rows in sets]
    if any(rows.ndim != 2 for rows in sets) or shapes[0][1:] != shapes[1][1:]:
        raise ValueError(
            "`features_a` and `features_b` must be matrices with the same features. "
            f"Received: shapes {shapes[0]} and {shapes[1]}"
        )
    if min(map(len, sets)) < FEWEST or not all(np.isfinite(rows).all() for rows in sets):
        raise ValueError(
            f"Each set must have at least {FEWEST} images with finite features. "
            f"Received: {shapes[0][0]} and {shapes[1][0]} images"
        )
    if not 0 < level < 1 or (num_permutations + 1) * level / _NUM_TESTS < 1:
        raise ValueError(
            "`level` must lie between 0 and 1, and an alarm needs at least 2 / level - 1 "
            f"permutations. Received: level={level}, num_permutations={num_permutations}"
        )


def _standardized(rows):
    """Columns of unit variance, without constant ones."""
    deviation = rows.std(axis=0)
    varies = deviation > 1e-9 * np.maximum(np.abs(rows).max(axis=0), 1e-12)
    if not varies.any():
        return np.zeros((len(rows), 1))
    return (rows[:, varies] - rows[:, varies].mean(axis=0)) / deviation[varies]
