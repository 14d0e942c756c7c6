"""Whether two sets of pictures come from the same source."""

import dataclasses

import numpy as np

from keras_transfer._statistics.permutation_tests import (
    classifier_aucs,
    labelings,
    permutation_p_value,
    squared_discrepancies,
)

# Pictures of a set: of fewer nothing can be told.
FEWEST = 10
_NUM_TESTS = 2


@dataclasses.dataclass(frozen=True)
class DomainShift:
    """What two sets of features tell of their sources.

    Two tests may raise the alarm, that of the classifier and that of the discrepancy, each at
    half the level: sets from one source raise it with a probability of at most `level`.

    Attributes:
        auc: how well a linear classifier tells unseen pictures apart; 0.5 is chance.
        auc_p_value: of its permutation test.
        discrepancy: the squared maximum mean discrepancy, without bias.
        discrepancy_p_value: of its permutation test.
        num_drifted: features whose distributions differ, at a false discovery rate of `level`.
            They raise no alarm.
        num_features: of how many.
        level: of the alarm.
        sizes: how many pictures of each set were compared.
        given: how many there were; where they are more, those compared were drawn at random.
    """

    auc: float
    auc_p_value: float
    discrepancy: float
    discrepancy_p_value: float
    num_drifted: int
    num_features: int
    level: float
    sizes: tuple
    given: tuple

    @property
    def alarm(self):
        """Whether one of the two tests rejects at half the level."""
        return min(self.auc_p_value, self.discrepancy_p_value) <= self.level / _NUM_TESTS

    @property
    def sentence(self):
        """What was found, in words."""
        found = "differ beyond chance" if self.alarm else "do not differ beyond chance"
        drawn = "" if self.sizes == self.given else f", of {self.given[0]} and {self.given[1]}"
        return (
            f"The sets {found} ({self.sizes[0]} and {self.sizes[1]} pictures{drawn}): a linear "
            f"classifier tells them apart with an AUC of {self.auc:.2f} (p = "
            f"{self.auc_p_value:.3g}), the squared discrepancy is {self.discrepancy:.2g} (p = "
            f"{self.discrepancy_p_value:.3g}); the alarm has a level of {self.level:.2g} in "
            f"all. {self.num_drifted} of {self.num_features} features drifted."
        )

    def to_json(self):
        """The figures as a dict."""
        return {**dataclasses.asdict(self), "alarm": self.alarm, "sentence": self.sentence}


def domain_shift(
    features_a, features_b, level=0.05, num_permutations=999, most_pictures=2000, seed=0
):
    """Tests whether the features of two sets of pictures are of one distribution.

    Two tests, declared beforehand and corrected for being two (Bonferroni): the AUC of a linear
    classifier, and the maximum mean discrepancy, each compared with what random divisions of
    the same pictures give. They are exact where the pictures are exchangeable: series of
    pictures of one thing that lie in one of the sets are a shift to them.

    A shift of the classes is a shift, too: compare sets with the same mix of classes, or the
    pictures of one class.

    Args:
        features_a: an array of shape `(pictures, features)`.
        features_b: the same of another set.
        level: the probability of an alarm where there is no shift. Defaults to 0.05.
        num_permutations: random divisions. Defaults to 999.
        most_pictures: of each set; of more, so many are drawn. Defaults to 2000.
        seed: of all draws. Defaults to 0.

    Returns:
        `DomainShift`.

    Raises:
        ValueError: for features of another shape or that are not finite, fewer than 10
            pictures, or so few permutations that no alarm could be raised.

    Reference: Gretton et al., A Kernel Two-Sample Test, JMLR 2012; Lopez-Paz and Oquab,
        Revisiting Classifier Two-Sample Tests, ICLR 2017; Rabanser et al., Failing Loudly,
        NeurIPS 2019.
    """
    sets = [np.asarray(features, "float64") for features in (features_a, features_b)]
    _check(sets, level, num_permutations)
    random = np.random.default_rng(seed)
    drawn = [
        rows[random.permutation(len(rows))[:most_pictures]]
        if len(rows) > most_pictures
        else rows
        for rows in sets
    ]
    rows = _standardized(np.concatenate(drawn))
    # Mixed, so that folds and components know nothing of the sets.
    order = random.permutation(len(rows))
    is_first = order < len(drawn[0])
    labels = labelings(~is_first, num_permutations, random)
    aucs = classifier_aucs(rows[order], labels)
    discrepancies = squared_discrepancies(rows[order], labels)
    return DomainShift(
        auc=float(aucs[0]),
        auc_p_value=permutation_p_value(aucs),
        discrepancy=float(discrepancies[0]),
        discrepancy_p_value=permutation_p_value(discrepancies),
        num_drifted=int(np.sum(feature_drift(*drawn) <= level)),
        num_features=rows.shape[1],
        level=level,
        sizes=tuple(map(len, drawn)),
        given=tuple(map(len, sets)),
    )


def feature_drift(features_a, features_b):
    """How surely each feature is distributed otherwise in another set.

    Args:
        features_a: an array of shape `(pictures, features)`.
        features_b: the same of another set.

    Returns:
        A p-value for each feature, of the Kolmogorov-Smirnov test, adjusted: at most a share of
        `q` of the features with values up to `q` has not drifted, on average.

    Reference: Benjamini and Hochberg, Controlling the False Discovery Rate, JRSS B 1995.
    """
    from scipy.stats import false_discovery_control, ks_2samp

    values = [
        ks_2samp(one, other, method="asymp").pvalue
        for one, other in zip(np.transpose(features_a), np.transpose(features_b), strict=True)
    ]
    return false_discovery_control(np.clip(values, 0.0, 1.0))


def _check(sets, level, num_permutations):
    shapes = [rows.shape for rows in sets]
    if any(rows.ndim != 2 for rows in sets) or shapes[0][1:] != shapes[1][1:]:
        raise ValueError(
            "`features_a` and `features_b` must be of shape (pictures, features) with the same "
            f"features. Received: shapes {shapes[0]} and {shapes[1]}"
        )
    if min(map(len, sets)) < FEWEST or not all(np.isfinite(rows).all() for rows in sets):
        raise ValueError(
            f"A shift can be told of at least {FEWEST} pictures in each set, all features "
            f"finite. Received: {shapes[0][0]} and {shapes[1][0]} pictures"
        )
    if not 0 < level < 1 or (num_permutations + 1) * level / _NUM_TESTS < 1:
        raise ValueError(
            "`level` must lie between 0 and 1, and no test reaches half of it with fewer than "
            f"2 / level - 1 permutations. Received: level={level}, "
            f"num_permutations={num_permutations}"
        )


def _standardized(rows):
    """Columns of unit variance; those that are constant stay out."""
    deviation = rows.std(axis=0)
    varies = deviation > 1e-9 * np.maximum(np.abs(rows).max(axis=0), 1e-12)
    if not varies.any():
        return np.zeros((len(rows), 1))
    return (rows[:, varies] - rows[:, varies].mean(axis=0)) / deviation[varies]
