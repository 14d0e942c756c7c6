"""What a linear classifier makes of features: the referee among scores."""

import dataclasses

import numpy as np

from keras_transfer._statistics.folds import stratified_folds
from keras_transfer._statistics.intervals import bootstrap_interval, wilson_interval
from keras_transfer._statistics.multinomial_regression import (
    FeatureBasis,
    fit_regressions,
    probabilities_of,
)

# Strengths of the penalty for standardised features.
_PENALTIES = (1e-3, 1e-2, 1e-1)
# Pictures that tell which of three penalties is the best.
_MOST_TO_CHOOSE_ON = 1000


@dataclasses.dataclass(frozen=True)
class ProbeResult:
    """What a linear probe predicts for pictures that it was not fitted on.

    Attributes:
        probabilities: a float array of shape `(pictures, classes)`, each row by the probe of
            the fold that its picture was left out of.
        correct: a bool array of shape `(pictures,)`.
        accuracy: the share of them.
        interval: `(low, high)`, 95% of the accuracy over pictures that are drawn anew.
        penalty: the strength of the penalty that was taken.
    """

    probabilities: np.ndarray
    correct: np.ndarray
    accuracy: float
    interval: tuple
    penalty: float


def cross_validate(features, labels, num_folds=5, seed=0):
    """Fits multinomial logistic regressions and tests each on a fold that it has not seen.

    Features are scaled to unit variance over all pictures. The penalty is the best of three on
    a part of the first fold's training pictures.

    Args:
        features: an array of shape `(pictures, features)`.
        labels: integers of shape `(pictures,)`, the numbers of classes.
        num_folds: see `stratified_folds`. Defaults to 5.
        seed: of the folds. Defaults to 0.

    Returns:
        A `ProbeResult`.

    Raises:
        ValueError: for features that are no finite matrix, labels that do not fit, or fewer
            than two classes.
    """
    features, labels = check_features(features, labels)
    if np.bincount(labels).max() < 2:
        raise ValueError(
            "Every class has one picture: none can be left out and recognised. "
            f"Received: {len(labels)} pictures"
        )
    folds = stratified_folds(labels, num_folds, seed)
    training = folds[0][0]
    penalty = _best_penalty(features[training], labels[training], seed)
    probabilities = np.zeros((len(labels), labels.max() + 1), "float32")
    present = np.unique(labels)
    fitted = _fitted(features, labels, folds, [penalty] * len(folds))
    for (_, held_out), found in zip(folds, fitted, strict=True):
        probabilities[np.ix_(held_out, present)] = found
    correct = probabilities.argmax(axis=1) == labels
    interval = bootstrap_interval(correct, seed=seed)
    if correct.all() or not correct.any():  # which no draw changes
        interval = wilson_interval(int(correct.sum()), len(correct))
    return ProbeResult(probabilities, correct, float(correct.mean()), interval, penalty)


def check_features(features, labels):
    """Features as a float32 matrix and labels as integers, or a `ValueError`."""
    features, labels = np.asarray(features, "float32"), np.asarray(labels)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            "`features` must be a matrix of finite numbers, a row for each picture. "
            f"Received: features of shape {features.shape}"
        )
    is_number = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not is_number or len(labels) != len(features) or labels.min(initial=0) < 0:
        raise ValueError(
            "`labels` must be the number of a class for each picture. Received: labels of "
            f"shape {labels.shape} and type {labels.dtype} for {len(features)} pictures"
        )
    if len(np.unique(labels)) < 2:
        raise ValueError(
            "`labels` must name at least two classes. "
            f"Received: {len(np.unique(labels))} in {len(labels)} pictures"
        )
    return features, labels


def _best_penalty(features, labels, seed):
    chosen = np.random.default_rng(seed).permutation(len(labels))[:_MOST_TO_CHOOSE_ON]
    if len(np.unique(labels[chosen])) == len(np.unique(labels)):
        features, labels = features[chosen], labels[chosen]
    if np.bincount(labels).max() < 2:  # nothing to hold out
        return _PENALTIES[-1]
    fold = stratified_folds(labels, 4, seed)[0]
    fitted = _fitted(features, labels, [fold] * len(_PENALTIES), _PENALTIES)
    present, held_out = np.unique(labels), fold[1]
    accuracies = [
        np.mean(present[found.argmax(axis=1)] == labels[held_out]) for found in fitted
    ]
    # Of equals the strongest.
    return max(zip(accuracies, _PENALTIES, strict=True))[1]


def _fitted(features, labels, folds, penalties):
    """What each fold's regression says of those left out: a column for each class there is."""
    weights = np.zeros((len(folds), len(labels)))
    for row, (train, _) in zip(weights, folds, strict=True):
        row[train] = 1
    basis = FeatureBasis(features)
    numbers = np.unique(labels, return_inverse=True)[1]
    fitted = fit_regressions(basis, numbers, weights, penalties)
    for coefficients, (_, held_out) in zip(fitted, folds, strict=True):
        yield probabilities_of(basis, coefficients, held_out)
