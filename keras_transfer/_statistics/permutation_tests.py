"""Two-sample statistics for many labelings at once, and their permutation p-values.

Features are of shape `(images, features)`, labelings bools of shape `(images, labelings)`.
"""

import numpy as np

_NUM_FOLDS, _MOST_COMPONENTS = 5, 64
# In units of the mean variance of a component: keeps every fold's system solvable.
_RIDGE = 0.01


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
