"""Whether two sets of images come from the same distribution."""

import dataclasses

import numpy as np

# Images of a set: fewer are not tested.
FEWEST = 10
_NUM_TESTS = 2
_NUM_FOLDS, _MOST_COMPONENTS = 5, 64
# In units of the mean variance of a component: keeps every fold's system solvable.
_RIDGE = 0.01


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


# Statistics for many labelings at once: features are of shape `(images, features)`, labelings
# bools of shape `(images, labelings)`.


def permutation_p_value(statistics):
    """The share of labelings with a statistic of at least the true one's, which is the first.

    Reference:
        Phipson and Smyth, Permutation P-values Should Never Be Zero, Statistical Applications
        in Genetics and Molecular Biology, 2010.
    """
    statistics = np.asarray(statistics)
    return float(np.mean(statistics >= statistics[0]))


def labelings(is_first, num_permutations, random):
    """Bools of shape `(images, 1 + permutations)`: the true labeling, then random ones."""
    others = [random.permutation(is_first) for _ in range(num_permutations)]
    return np.stack([is_first, *others], axis=1)


def classifier_aucs(rows, labels):
    """The cross-validated area under the ROC curve of a linear classifier, for each labeling.

    The classifiers are Fisher discriminants, fitted by ridge regression on the principal
    components of both sets. They are linear in the labels, so a thousand labelings cost about
    as much as one. The rows must be in random order, which the folds follow.

    Reference:
        Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, exercise 4.2.
    """
    components = _principal_components(rows)
    targets = labels - labels.mean(axis=0)
    scores = np.zeros(labels.shape)
    for fold in range(_NUM_FOLDS):
        validation = np.arange(len(rows)) % _NUM_FOLDS == fold
        fitted = components[~validation]
        penalty = max(_RIDGE * np.sum(fitted**2) / fitted.shape[1], 1e-12)
        gram = fitted.T @ fitted + penalty * np.eye(fitted.shape[1])
        weights = np.linalg.solve(gram, fitted.T @ targets[~validation])
        scores[validation] = components[validation] @ weights
    return areas_under_curve(scores, labels)


def areas_under_curve(scores, labels):
    """The area under the ROC curve of each column of scores, for the same column of bools."""
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=0)
    positives = labels.sum(axis=0)
    smallest = positives * (positives + 1) / 2
    pairs = positives * (len(labels) - positives)
    return (np.sum(ranks * labels, axis=0) - smallest) / pairs


def squared_discrepancies(rows, labels):
    """The unbiased squared maximum mean discrepancy between the sets, for each labeling.

    The kernel is Gaussian; its width is the median distance.

    Reference:
        Gretton et al., A Kernel Two-Sample Test, JMLR 2012, equation (3).
    """
    kernel = _gaussian_kernel(rows)
    np.fill_diagonal(kernel, 0.0)
    first = labels.astype("float32")
    in_first = np.sum(first * (kernel @ first), axis=0, dtype="float64")
    of_first = kernel.sum(axis=0, dtype="float64") @ first
    across = of_first - in_first
    in_second = kernel.sum(dtype="float64") - in_first - 2 * across
    size = labels.sum(axis=0).astype("float64")
    other = len(labels) - size
    return (
        in_first / (size * (size - 1))
        + in_second / (other * (other - 1))
        - 2 * across / (size * other)
    )


def _gaussian_kernel(rows):
    from sklearn.metrics.pairwise import euclidean_distances

    distances = euclidean_distances(rows.astype("float32"), squared=True)
    width = np.median(distances[np.triu_indices(len(rows), 1)])
    return np.exp(-distances / (2 * max(float(width), 1e-12)))


def _principal_components(rows):
    """The leading principal components, at most one for four rows."""
    rows = rows - rows.mean(axis=0)
    most = max(1, min(_MOST_COMPONENTS, len(rows) // 4))
    if len(rows) < rows.shape[1]:
        values, vectors = np.linalg.eigh(rows @ rows.T)
        return vectors[:, ::-1][:, :most] * np.sqrt(np.maximum(values[::-1][:most], 0.0))
    _, vectors = np.linalg.eigh(rows.T @ rows)
    return rows @ vectors[:, ::-1][:, :most]
