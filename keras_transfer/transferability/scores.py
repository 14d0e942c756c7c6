"""Transferability scores of features or predictions for labels, without training."""

import numpy as np

from keras_transfer._statistics.linear_models import check_features

_MOST_ITERATIONS, _TOLERANCE = 100, 1e-3
# Smaller parts of the largest variance are rounding errors.
_RANK_TOLERANCE = 1e-10


def logme(features, labels):
    """LogME: the log evidence of a Bayesian linear model of the labels, per image.

    Each class against the rest is a regression `y = F w + noise` with Gaussian weights of
    precision alpha and Gaussian noise of precision beta; both maximize the evidence and are
    found by fixed-point iteration. Higher is better.

    Example:
        >>> good = np.eye(2)[labels % 2] + 0.1 * np.random.default_rng(0).normal(size=(9, 2))
        >>> bad = np.random.default_rng(0).normal(size=(9, 2))
        >>> logme(good, labels % 2) > logme(bad, labels % 2)
        True

    Reference:
        You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning,
        ICML 2021, equation 5; the iteration in You et al., Ranking and Tuning Pre-trained
        Models, JMLR 2022, algorithm 3.
    """
    features, labels = check_features(features, labels)
    variances, directions = _spectrum(features)
    targets = (labels[:, np.newaxis] == np.unique(labels)).astype("float64")
    # The targets along the left singular vectors, and the part outside the features' span.
    projections = directions.T @ (features.T @ targets) / np.sqrt(variances)[:, np.newaxis]
    squares = projections**2
    unreached = np.maximum((targets**2).sum(axis=0) - squares.sum(axis=0), 0.0)
    evidence = [
        _evidence(variances, column, rest, features.shape)
        for column, rest in zip(squares.T, unreached, strict=True)
    ]
    return float(np.mean(evidence))


def leep(probabilities, labels):
    """LEEP: the log likelihood of the labels, given the source classifier's predictions.

    The joint distribution of labels and source classes predicts a label from the source
    classes; LEEP is the mean log probability of the true label. It is at most 0; higher is
    better.

    Example:
        >>> leep(np.eye(3)[labels], labels)  # source classes are the labels
        0.0

    Reference:
        Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned
        Representations, ICML 2020, equations 1 and 2.
    """
    probabilities, labels = _check_predictions(probabilities, labels)
    joint = np.eye(labels.max() + 1)[labels].T @ probabilities / len(labels)
    of_source = joint.sum(axis=0)
    conditional = joint / np.where(of_source > 0, of_source, 1)
    expected = probabilities @ conditional.T
    return float(np.mean(np.log(expected[np.arange(len(labels)), labels])))


def nce(probabilities, labels):
    """NCE: the negative conditional entropy of the labels, given the predicted source classes.

    It is LEEP with the most probable source class instead of all probabilities.

    Example:
        >>> nce(np.eye(3)[labels], labels)
        0.0

    Reference:
        Tran et al., Transferability and Hardness of Supervised Classification Tasks, ICCV 2019,
        equation 3.
    """
    probabilities, labels = _check_predictions(probabilities, labels)
    return leep(np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)], labels)


def _spectrum(features):
    """The squares of the nonzero singular values, and the right singular vectors."""
    features = features.astype("float64")
    num_images, num_features = features.shape
    if num_features <= num_images:
        variances, directions = np.linalg.eigh(features.T @ features)
    else:
        variances, left = np.linalg.eigh(features @ features.T)
        directions = features.T @ left / np.sqrt(np.maximum(variances, 1e-300))
    kept = variances > _RANK_TOLERANCE * max(variances.max(), 1e-300)
    return variances[kept], directions[:, kept]


def _evidence(variances, squares, unreached, shape):
    """The log evidence per image of one regression at the fixed point."""
    num_images, num_features = shape
    ratio = 1.0  # alpha / beta
    for _ in range(_MOST_ITERATIONS):
        shrunk = variances / (variances + ratio)
        # |m|², the weights' squared length, and |F m - y|², both at the posterior mean.
        length = np.sum(variances * squares / (variances + ratio) ** 2)
        error = np.sum(squares * (1 - shrunk) ** 2) + unreached
        effective = shrunk.sum()
        # Without variance there are no weights, and all terms with alpha cancel.
        alpha = effective / max(length, 1e-300) if len(variances) else 1.0
        beta = (num_images - effective) / max(error, 1e-12)
        previous, ratio = ratio, alpha / beta
        if abs(ratio - previous) <= _TOLERANCE * previous:
            break
    # Each feature without variance adds a precision of alpha, which the prior's cancels.
    log_determinant = np.sum(np.log(alpha + beta * variances))
    log_determinant += (num_features - len(variances)) * np.log(alpha)
    evidence = num_features * np.log(alpha) + num_images * np.log(beta)
    evidence -= beta * error + alpha * length + log_determinant
    evidence -= num_images * np.log(2 * np.pi)
    return evidence / (2 * num_images)


def _check_predictions(probabilities, labels):
    probabilities, labels = check_features(probabilities, labels)
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            "`probabilities` must have one row for each image that sums to 1. "
            f"Received: an array of shape {probabilities.shape}"
        )
    return np.maximum(probabilities.astype("float64"), 0), labels
