"""Measures of feature matrices: how well they separate classes, how similar two of them are."""

import numpy as np

from keras_transfer._statistics.linear_models import check_features

# In units of the mean variance: added to features that never vary.
_LEAST_VARIANCE = 1e-9


def h_score(features, labels):
    """H-score: the variance between classes relative to the covariance of the features.

    It is `tr(S⁻¹ B)` with the Ledoit-Wolf estimate S of the features' covariance, which fewer
    images than features need, and the covariance B of the class means. It lies between 0 and
    the number of classes minus 1; higher is better.

    Example:
        >>> labels = np.arange(60) % 2
        >>> noise = np.random.default_rng(0).normal(size=(60, 3))
        >>> 0.9 < h_score(labels[:, np.newaxis] + 0.1 * noise, labels) < 1
        True

    Reference:
        Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer
        Learning, ICIP 2019, definition 2; with shrinkage Ibrahim et al., Newer is not always
        better: Rethinking transferability metrics, ECML 2022, equation 4.
    """
    features, labels = check_features(features, labels)
    features = features.astype("float64")
    features -= features.mean(axis=0)
    # The score does not depend on the scale, and features of random networks may be tiny.
    features /= np.sqrt(np.mean(features**2)) or 1.0
    classes, counts = np.unique(labels, return_counts=True)
    means = np.stack([features[labels == number].mean(axis=0) for number in classes])
    # One row for each class; B is the product of the matrix with itself.
    roots = np.sqrt(counts / len(labels))[:, np.newaxis] * means
    covariance, intensity = _shrunk_covariance(features)
    return float((1 - intensity) * np.sum(roots.T * np.linalg.solve(covariance, roots.T)))


def linear_cka(first, second):
    """Linear centered kernel alignment of two representations of the same images.

    It is 1 if the representations differ by a rotation and a scale only, and 0 if they are
    uncorrelated or one is constant. It is biased upwards for fewer images than features.

    Reference:
        Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019,
        equation 4 with linear kernels.
    """
    first, second = (_centered(rows) for rows in (first, second))
    scale = _norm_of_product(first, first) * _norm_of_product(second, second)
    return _norm_of_product(first, second) ** 2 / scale if scale else 0.0


def _shrunk_covariance(features):
    from sklearn.covariance import ledoit_wolf

    covariance, intensity = ledoit_wolf(features, assume_centered=True)
    least = _LEAST_VARIANCE * max(np.trace(covariance) / len(covariance), _LEAST_VARIANCE)
    return covariance + least * np.eye(len(covariance)), intensity


def _centered(rows):
    rows = np.asarray(rows, "float64")
    rows = rows - rows.mean(axis=0)
    # Fourth powers would overflow or vanish; the scale has no effect on the result.
    largest = np.abs(rows).max(initial=0.0)
    return rows / largest if largest else rows


def _norm_of_product(first, second):
    """The Frobenius norm of `firstᵀ second`, by the smaller of two products."""
    num_images = len(first)
    if first.shape[1] * second.shape[1] <= num_images**2:
        return np.linalg.norm(first.T @ second)
    return np.sqrt(max(np.sum((first @ first.T) * (second @ second.T)), 0.0))
