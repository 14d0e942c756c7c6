"""How much more frequent each image of the source is in the target."""

import itertools

import numpy as np

from keras_transfer._statistics.linear_models import cross_validate, standardized

_METHODS = ("classifier", "kmm", "ulsif")
# No image counts more than this many times the mean.
_HIGHEST = 50.0
# Kernel methods see as many principal components: distances in more are all alike.
_COMPONENTS = 20
_CENTRES, _PENALTIES, _SHARPNESS = 200, (1e-3, 1e-2, 1e-1, 1.0), (0.3, 1.0, 3.0, 10.0)
_TINY = 1e-12


def importance_weights(
    source: np.ndarray, target: np.ndarray, method: str = "classifier"
) -> np.ndarray:
    """A weight for each image of the source: how much more frequent it is in the target.

    Use them as sample weights of an evaluation: the weighted accuracy on the source estimates
    that on the target, if both domains differ only by how frequent images are. See
    `estimate_accuracy`. As sample weights of a training they changed little.

    Args:
        source: an array `(images, channels)`, for example of `features.pooled_features` or
            the logits of a model.
        target: the same for unlabelled images of the target.
        method: "classifier" (the default), the odds of a cross-validated linear classifier of
            the two domains; "kmm", kernel mean matching; or "ulsif", unconstrained
            least-squares importance fitting.

    Returns:
        A float array `(images,)` with a mean of 1.

    Raises:
        ValueError: if the arrays do not fit each other, or `method` is another one.

    Example:

    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> weights = adaptation.importance_weights(rows, rows[rows[:, 0] > 0])
    >>> bool(weights[rows[:, 0] > 0].mean() > 2 * weights[rows[:, 0] < 0].mean())
    True

    Reference: Bickel et al., Discriminative Learning under Covariate Shift, JMLR 2009; Gretton
    et al., Covariate Shift by Kernel Mean Matching, 2009, equation 8.5; Kanamori et al., A
    Least-squares Approach to Direct Importance Estimation, JMLR 2009, equation 8.
    """
    source, target = np.asarray(source, "float64"), np.asarray(target, "float64")
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            "`source` and `target` must have the shape (images, channels), with the same "
            f"channels. Received: shapes {source.shape} and {target.shape}"
        )
    if min(len(source), len(target)) < 2:
        raise ValueError(
            "Each domain needs at least two images. "
            f"Received: {len(source)} of the source, {len(target)} of the target"
        )
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {_METHODS}. Received: method={method!r}")
    if method == "classifier":
        weights = _odds(source, target)
    else:
        solve = _kmm if method == "kmm" else _ulsif
        weights = solve(*_reduced(source, target))
    weights = np.minimum(weights, _HIGHEST * weights.mean())
    return weights / max(weights.mean(), _TINY)


def _odds(source, target):
    rows = np.concatenate([source, target])
    domains = np.repeat([0, 1], [len(source), len(target)])
    p = cross_validate(rows, domains).probabilities[: len(source)].astype("float64")
    return p[:, 1] / np.maximum(p[:, 0], 1e-6)


def _reduced(source, target):
    """Both in the largest principal components, each distance divided by the median."""
    rows, _, _ = standardized(np.concatenate([source, target]))
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    rows = rows @ axes[:_COMPONENTS].T
    some = rows[np.random.default_rng(0).permutation(len(rows))[:500]]
    width = np.sqrt(np.median(_distances(some, some))) or 1.0
    return rows[: len(source)] / width, rows[len(source) :] / width


def _distances(rows, others):
    norms = np.square(rows).sum(1)[:, None] + np.square(others).sum(1)[None]
    return np.maximum(norms - 2 * rows @ others.T, 0)


def _kmm(source, target):
    """Weights with which the mean of the source in a kernel's space is that of the target."""
    from scipy.optimize import minimize

    kernel = np.exp(-_distances(source, source)) + np.eye(len(source))
    wanted = np.exp(-_distances(source, target)).mean(axis=1) * len(source)

    def objective(weights):
        product = kernel @ weights
        # The mean is held near 1, as far as the kernel allows.
        off = weights.sum() - len(source)
        return 0.5 * weights @ product - wanted @ weights + 0.5 * off**2, product - wanted + off

    bounds = [(0, _HIGHEST)] * len(source)
    return minimize(objective, np.ones(len(source)), jac=True, bounds=bounds).x


def _ulsif(source, target):
    """A sum of kernels that has the least squared error to the ratio of the densities."""
    random = np.random.default_rng(0)
    centres = target[random.permutation(len(target))[:_CENTRES]]
    distances = [_distances(rows, centres) for rows in (source, target)]
    held_out = [random.random(len(rows)) < 0.3 for rows in (source, target)]

    def solve(rows, others, penalty):
        squares = rows.T @ rows / len(rows) + penalty * np.eye(len(centres))
        return np.maximum(np.linalg.solve(squares, others.mean(axis=0)), 0)

    def error(sharpness, penalty):
        here, there = (np.exp(-sharpness * one) for one in distances)
        found = solve(here[~held_out[0]], there[~held_out[1]], penalty)
        ratio = here[held_out[0]] @ found
        return np.mean(ratio**2) / 2 - np.mean(there[held_out[1]] @ found)

    sharpness, penalty = min(
        itertools.product(_SHARPNESS, _PENALTIES), key=lambda pair: error(*pair)
    )
    here, there = (np.exp(-sharpness * one) for one in distances)
    return here @ solve(here, there, penalty)
