"""How far a figure can be trusted."""

import numpy as np


def bootstrap_interval(values, level=0.95, num_draws=2000, seed=0):
    """An interval for a mean, over pictures that are drawn anew with replacement.

    Args:
        values: numbers or bools of shape `(pictures,)`.
        level: the share of the draws that lie in it. Defaults to 0.95.
        num_draws: how often they are drawn. Defaults to 2000.
        seed: of the draws. Defaults to 0.

    Returns:
        `(low, high)`, the percentiles.

    Raises:
        ValueError: without values, or for a level that is no share.

    Reference: Efron, Bootstrap Methods, The Annals of Statistics, 1979.
    """
    values = np.asarray(values, "float64")
    if values.ndim != 1 or not len(values) or not 0 < level < 1:
        raise ValueError(
            "`values` must be at least one number in a row, and `level` lie between 0 and 1. "
            f"Received: values of shape {values.shape}, level={level}"
        )
    random = np.random.default_rng(seed)
    different, counts = np.unique(values, return_counts=True)
    # How often each value is drawn is all that the mean depends on.
    draws = random.multinomial(len(values), counts / len(values), size=num_draws)
    means = draws @ different / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def overlap(first, second):
    """Whether two intervals `(low, high)` have a point in common."""
    return first[0] <= second[1] and second[0] <= first[1]
