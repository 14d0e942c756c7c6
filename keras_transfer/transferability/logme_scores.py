"""The evidence of labels, given features."""

import numpy as np

from keras_transfer._statistics.linear_models import check_features

_MOST_ITERATIONS, _TOLERANCE = 100, 1e-3
# Directions of so small a part of the largest variance are rounding.
_RANK_TOLERANCE = 1e-10


def logme(features, labels):
    """LogME: the log evidence of a Bayesian linear model of the labels, for one picture.

    Each class against the rest is a regression `y = F w + noise` with Gaussian weights of
    precision alpha and Gaussian noise of precision beta, both of which maximise the evidence;
    they are found by the fixed-point iteration. It needs no learning and no held-out pictures,
    and a higher value is better.

    Args:
        features: an array of shape `(pictures, features)`.
        labels: integers of shape `(pictures,)`, the numbers of classes.

    Returns:
        The mean over the classes, a float.

    Raises:
        ValueError: as `cross_validate`.

    Reference: You et al., LogME: Practical Assessment of Pre-trained Models for Transfer
    Learning, ICML 2021, equation 5; the fixed-point iteration in You et al., Ranking and Tuning
    Pre-trained Models, JMLR 2022, algorithm 3.
    """
    features, labels = check_features(features, labels)
    variances, directions = _spectrum(features)
    classes = np.unique(labels)
    targets = (labels[:, np.newaxis] == classes).astype("float64")
    # The targets along the left singular vectors, and what of them the features cannot reach.
    projections = directions.T @ (features.T @ targets) / np.sqrt(variances)[:, np.newaxis]
    squares = projections**2
    unreached = np.maximum((targets**2).sum(axis=0) - squares.sum(axis=0), 0.0)
    shape = features.shape
    evidence = [
        _evidence(variances, squares[:, number], unreached[number], shape)
        for number in range(len(classes))
    ]
    return float(np.mean(evidence))


def _spectrum(features):
    """The squares of the singular values that are not zero, and the right singular vectors."""
    features = features.astype("float64")
    num_pictures, num_features = features.shape
    if num_features <= num_pictures:
        variances, directions = np.linalg.eigh(features.T @ features)
    else:
        variances, left = np.linalg.eigh(features @ features.T)
        directions = features.T @ left / np.sqrt(np.maximum(variances, 1e-300))
    kept = variances > _RANK_TOLERANCE * max(variances.max(), 1e-300)
    return variances[kept], directions[:, kept]


def _evidence(variances, squares, unreached, shape):
    """The log evidence for a picture of one regression at the fixed point."""
    num_pictures, num_features = shape
    ratio = 1.0  # alpha / beta
    for _ in range(_MOST_ITERATIONS):
        shrunk = variances / (variances + ratio)
        # |m|², the weights' squared length, and |F m - y|², both at the posterior mean.
        length = np.sum(variances * squares / (variances + ratio) ** 2)
        error = np.sum(squares * (1 - shrunk) ** 2) + unreached
        effective = shrunk.sum()
        # Without any variance there are no weights, and all terms with alpha cancel.
        alpha = effective / max(length, 1e-300) if len(variances) else 1.0
        beta = (num_pictures - effective) / max(error, 1e-12)
        previous, ratio = ratio, alpha / beta
        if abs(ratio - previous) <= _TOLERANCE * previous:
            break
    # Features without variance add a precision of alpha each, which the prior's cancels.
    log_determinant = np.sum(np.log(alpha + beta * variances))
    log_determinant += (num_features - len(variances)) * np.log(alpha)
    evidence = num_features * np.log(alpha) + num_pictures * np.log(beta)
    evidence -= beta * error + alpha * length + log_determinant
    evidence -= num_pictures * np.log(2 * np.pi)
    return evidence / (2 * num_pictures)
