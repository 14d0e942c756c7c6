"""Whether two sets differ by more than chance: statistics for many labelings at once."""

import numpy as np

_NUM_FOLDS, _MOST_COMPONENTS = 5, 64
# Of the mean variance of a component: enough that no fold is without a solution.
_RIDGE = 0.01


def permutation_p_value(statistics):
    """The share of labelings whose statistic is at least that of the true one, which counts.

    It is at most `p` with a probability of at most `p` if the pictures are exchangeable.

    Args:
        statistics: floats, first that of the true labeling, then those of random ones.

    Reference: Phipson and Smyth, Permutation P-values Should Never Be Zero, Statistical
        Applications in Genetics and Molecular Biology, 2010.
    """
    statistics = np.asarray(statistics)
    return float(np.mean(statistics >= statistics[0]))


def labelings(is_first, num_permutations, random):
    """Columns of bools: the true labeling and `num_permutations` random ones."""
    others = [random.permutation(is_first) for _ in range(num_permutations)]
    return np.stack([is_first, *others], axis=1)


def classifier_aucs(rows, labels):
    """How well linear classifiers tell the sets apart on pictures they were not fitted on.

    They are Fisher's discriminants by ridge regression on the principal components of both sets
    together: linear in the labels, so that a thousand labelings cost about as much as one.

    Args:
        rows: float array of shape `(pictures, features)`, in an order that has nothing to do
            with the sets: folds go by it.
        labels: bools of shape `(pictures, labelings)`.

    Returns:
        The area under the ROC curve for each labeling.

    Reference: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, exercise 4.2.
    """
    components = _principal_components(rows)
    targets = labels - labels.mean(axis=0)
    scores = np.zeros(labels.shape)
    for fold in range(_NUM_FOLDS):
        held_out = np.arange(len(rows)) % _NUM_FOLDS == fold
        fitted = components[~held_out]
        penalty = max(_RIDGE * np.sum(fitted**2) / fitted.shape[1], 1e-12)
        gram = fitted.T @ fitted + penalty * np.eye(fitted.shape[1])
        weights = np.linalg.solve(gram, fitted.T @ targets[~held_out])
        scores[held_out] = components[held_out] @ weights
    return areas_under_curve(scores, labels)


def areas_under_curve(scores, labels):
    """The area under the ROC curve of each column of scores.

    Args:
        scores: floats of shape `(pictures, labelings)`.
        labels: bools of the same shape.
    """
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=0)
    positives = labels.sum(axis=0)
    smallest = positives * (positives + 1) / 2
    pairs = positives * (len(labels) - positives)
    return (np.sum(ranks * labels, axis=0) - smallest) / pairs


def squared_discrepancies(rows, labels):
    """The squared maximum mean discrepancy between the sets, for each labeling.

    The kernel is Gaussian, as wide as the median distance; the estimate has no bias, so that it
    may be negative.

    Args:
        rows: float array of shape `(pictures, features)`.
        labels: bools of shape `(pictures, labelings)`.

    Reference: Gretton et al., A Kernel Two-Sample Test, JMLR 2012, equation (3).
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
    rows = rows.astype("float32")
    squares = np.sum(rows**2, axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0.0)
    width = np.median(distances[np.triu_indices(len(rows), 1)])
    return np.exp(-distances / (2 * max(float(width), 1e-12)))


def _principal_components(rows):
    """The rows in the directions of most variance, few enough to fit a classifier in."""
    rows = rows - rows.mean(axis=0)
    most = max(1, min(_MOST_COMPONENTS, len(rows) // 4))
    if len(rows) < rows.shape[1]:
        values, vectors = np.linalg.eigh(rows @ rows.T)
        return vectors[:, ::-1][:, :most] * np.sqrt(np.maximum(values[::-1][:most], 0.0))
    _, vectors = np.linalg.eigh(rows.T @ rows)
    return rows @ vectors[:, ::-1][:, :most]
