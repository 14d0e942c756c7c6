"""Linear classifiers on features: folds, a penalty chosen on the data, cross-validation."""

import concurrent.futures
import dataclasses
import os
import warnings

import numpy as np

from keras_transfer._statistics.groups import unit_numbers
from keras_transfer._statistics.intervals import share_interval
from keras_transfer._statistics.probabilities import softmax

# Strengths of the L2 penalty that `cross_validate` tries, for standardized features.
_PENALTIES = (1e-3, 1e-2, 1e-1)
# Images that are enough to choose between three penalties.
_MOST_TO_CHOOSE_ON = 1000
_MOST_ITERATIONS = 1000
# Below this part of its mean, or of the largest deviation, a deviation is rounding of float32.
_LEAST_DEVIATION = 1e-6


@dataclasses.dataclass(frozen=True)
class ProbeResult:
    """Cross-validated predictions of a linear probe.

    Attributes:
        probabilities: float array of shape `(images, classes)`; the probe that predicts a row
            was fitted without its image.
        correct: bool array of shape `(images,)`.
        accuracy: the share of correct predictions.
        interval: `(low, high)`, the 95% Wilson interval of the accuracy, of the effective
            number of images if they have groups.
        changed_accuracy: the accuracy on changed images, or None: `accuracy` and what the
            change adds to it on the images that were changed.
    """

    probabilities: np.ndarray
    correct: np.ndarray
    accuracy: float
    interval: tuple
    changed_accuracy: float | None = None


def cross_validate(features, labels, num_folds=5, seed=0, changed=None, groups=None):
    """Fits a multinomial logistic regression in each fold and predicts the validation part.

    The features are standardized here. `changed` are features of the first images, or of all,
    after a change, which the same regressions predict too. `groups` are as in
    `stratified_folds`. Returns a `ProbeResult`.

    Raises:
        ValueError: if the features are not a finite matrix, the labels do not match, there are
            fewer than two classes or groups, or no class has two images.
    """
    features, labels = check_features(features, labels)
    if np.bincount(labels).max() < 2:
        raise ValueError(
            "Cross-validation needs a class with at least two images. "
            f"Received: {len(labels)} images, each of another class"
        )
    rows, mean, deviation = standardized(features)
    present, numbers = np.unique(labels, return_inverse=True)
    folds = stratified_folds(labels, num_folds, seed, groups)
    if not folds:
        raise ValueError("Cross-validation needs two groups. Received: one group of all images")
    penalty = _quick_penalty(rows, numbers, folds[0][0], seed, groups)
    probabilities = np.zeros((len(labels), labels.max() + 1), "float32")
    right = np.zeros(len(labels), bool)
    fitted = fit_regressions(rows, numbers, _fold_weights(folds, len(labels)), [penalty])
    for (_, validation), ((kernel, bias),) in zip(folds, fitted, strict=True):
        found = softmax(rows[validation] @ kernel + bias)
        probabilities[np.ix_(validation, present)] = found
        if changed is not None:
            some = validation[validation < len(changed)]
            moved = (changed[some] - mean) / deviation
            right[some] = (moved @ kernel + bias).argmax(axis=1) == numbers[some]
    correct = probabilities.argmax(axis=1) == labels
    interval = share_interval(correct, groups)
    accuracy, changed_accuracy = float(correct.mean()), None
    if changed is not None:
        size = len(changed)
        changed_accuracy = accuracy + float(right[:size].mean() - correct[:size].mean())
    return ProbeResult(probabilities, correct, accuracy, interval, changed_accuracy)


def check_features(features, labels):
    """Returns features as a float32 matrix and labels as integers, or raises `ValueError`."""
    features, labels = np.asarray(features, "float32"), np.asarray(labels)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            "`features` must be a matrix of finite numbers with one row for each image. "
            f"Received: features of shape {features.shape}"
        )
    is_integer = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not is_integer or len(labels) != len(features) or labels.min(initial=0) < 0:
        raise ValueError(
            "`labels` must be one class index for each image. Received: labels of shape "
            f"{labels.shape} and type {labels.dtype} for {len(features)} images"
        )
    if len(np.unique(labels)) < 2:
        raise ValueError(
            "`labels` must contain at least two classes. "
            f"Received: {len(np.unique(labels))} in {len(labels)} images"
        )
    return features, labels


def stratified_folds(labels, num_folds, seed=None, groups=None):
    """Stratified folds, a list of `(train, validation)` indices; a seed shuffles the images.

    There are no more folds than images in the largest class or than groups, and none if no
    class has two images; classes with fewer images than folds are missing in some of them.

    Args:
        labels: classes, an array of integers.
        num_folds: the most folds.
        seed: of the order. Defaults to None, the given order.
        groups: for each image its group or None; images of a group are in one fold. Defaults to
            None, no groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    units = None if groups is None else unit_numbers(groups, len(labels))
    num_units = len(labels) if units is None else units.max() + 1
    num_folds = min(num_folds, int(np.bincount(labels).max()), num_units)
    if num_folds < 2:
        return []
    kind = StratifiedKFold if units is None else StratifiedGroupKFold
    splitter = kind(num_folds, shuffle=seed is not None, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(labels, labels, units))


def standardized(features):
    """Returns features with mean 0 and variance 1, their means and standard deviations.

    A feature that is constant up to rounding stays near zero and has a deviation of 1.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    mean, deviation = scaler.mean_, np.sqrt(scaler.var_)
    least = _LEAST_DEVIATION * np.maximum(np.abs(mean), deviation.max(initial=0.0))
    deviation = np.where(deviation > least, deviation, 1.0)
    return ((features - mean) / deviation).astype(features.dtype), mean, deviation


def best_penalty(rows, labels, penalties, folds, weights=1.0, start=None):
    """The penalty with the highest mean accuracy on the folds' validation parts.

    Of equally good ones, or without folds, it is the largest. The weights of the images count
    in the fits only. `start` is as for `fit_regressions`.
    """
    if not folds:
        return max(penalties)
    penalties = sorted(penalties, reverse=True)
    weights = weights * _fold_weights(folds, len(labels))
    labels = np.unique(labels, return_inverse=True)[1]
    accuracies = [
        [
            np.mean((rows[validation] @ kernel + bias).argmax(axis=1) == labels[validation])
            for kernel, bias in path
        ]
        for (_, validation), path in zip(
            folds, fit_regressions(rows, labels, weights, penalties, start), strict=True
        )
    ]
    return penalties[int(np.mean(accuracies, axis=0).argmax())]


def fit_regressions(rows, labels, weights, penalties, start=None):
    """Multinomial logistic regressions: one for each row of weights and each penalty.

    Each minimizes the weighted mean of the cross-entropy plus `penalty / 2` times the sum of
    the squared kernel; the bias is not penalized. Rows are standardized features, labels count
    from 0 without gaps, a weight of 0 leaves an image out. Each fit starts at the solution of
    the penalty before, which is fastest in descending order.

    With `start`, a kernel and a bias, the penalty is on the difference to both of them.

    Returns for each row of weights a list of `(kernel, bias)`, of shapes `(features, classes)`
    and `(classes,)`, for each penalty.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # One thread for each regression: its matrix products are too small for several BLAS
    # threads, which would mostly wait for each other.
    with (
        threadpool_limits(1, user_api="blas"),
        warnings.catch_warnings(),
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        if start is not None:
            return list(
                pool.map(lambda row: _path_from(start, rows, labels, row, penalties), weights)
            )
        return list(pool.map(lambda row: _fit_path(rows, labels, row, penalties), weights))


def _fit_path(rows, labels, weights, penalties):
    from sklearn.linear_model import LogisticRegression

    model, path = LogisticRegression(max_iter=_MOST_ITERATIONS, warm_start=True), []
    # Of two classes scikit-learn fits the difference of the columns, whose square is twice the
    # sum of theirs.
    is_binary = labels.max() == 1
    for penalty in penalties:
        model.set_params(C=(2 if is_binary else 1) / (penalty * weights.sum()))
        model.fit(rows, labels, sample_weight=weights)
        kernel, bias = model.coef_.T, model.intercept_
        if is_binary:
            kernel, bias = np.hstack([-kernel, kernel]) / 2, np.append(-bias, bias) / 2
        path.append((kernel.copy(), bias.copy()))
    return path


def _path_from(start, rows, labels, weights, penalties):
    """The same as `_fit_path`, with a penalty on the difference to a start."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    kernel, bias = (np.asarray(part, "float64") for part in start)
    used = weights > 0
    rows, weights = rows[used].astype("float64"), weights[used] / weights.sum()
    is_class = np.eye(len(bias))[labels[used]]
    offsets = rows @ kernel + bias

    def loss(parameters, penalty):
        moved = parameters.reshape(-1, len(bias))
        logs = log_softmax(offsets + rows @ moved[:-1] + moved[-1], axis=1)
        slopes = weights[:, None] * (np.exp(logs) - is_class)
        value = penalty / 2 * np.sum(moved**2) - np.sum(weights @ (is_class * logs))
        gradient = np.vstack([rows.T @ slopes, slopes.sum(axis=0)]) + penalty * moved
        return value, gradient.ravel()

    parameters, path = np.zeros((len(kernel) + 1) * len(bias)), []
    for penalty in penalties:
        options = {"maxiter": _MOST_ITERATIONS}
        parameters = minimize(
            loss, parameters, (penalty,), jac=True, method="L-BFGS-B", options=options
        ).x
        moved = parameters.reshape(-1, len(bias))
        path.append((kernel + moved[:-1], bias + moved[-1]))
    return path


def _quick_penalty(rows, labels, training, seed, groups):
    """The best of three penalties, on one fold of a part of the training images."""
    chosen = np.random.default_rng(seed).permutation(training)[:_MOST_TO_CHOOSE_ON]
    if len(np.unique(labels[chosen])) < len(np.unique(labels[training])):
        chosen = training
    groups = None if groups is None else unit_numbers(groups)[chosen]
    folds = stratified_folds(labels[chosen], 4, seed, groups)[:1]
    return best_penalty(rows[chosen], labels[chosen], _PENALTIES, folds)


def _fold_weights(folds, num_images):
    weights = np.zeros((len(folds), num_images))
    for row, (train, _) in zip(weights, folds, strict=True):
        row[train] = 1
    return weights
