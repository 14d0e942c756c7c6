"""How far a figure can be trusted."""

import numpy as np

# Numbers that are drawn and held together.
_MOST_AT_ONCE = 10**7


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
        ValueError: without values, for values that are not finite, or a level that is no share.

    Reference: Efron, Bootstrap Methods, The Annals of Statistics, 1979.
    """
    values = np.asarray(values, "float64")
    are_numbers = values.ndim == 1 and len(values) and np.isfinite(values).all()
    if not are_numbers or not 0 < level < 1:
        raise ValueError(
            "`values` must be finite numbers in a row, and `level` lie between 0 and 1. "
            f"Received: values of shape {values.shape}, level={level}"
        )
    random = np.random.default_rng(seed)
    different, counts = np.unique(values, return_counts=True)
    at_once = max(1, _MOST_AT_ONCE // len(different))
    sizes = [min(at_once, num_draws - start) for start in range(0, num_draws, at_once)]
    # How often each value is drawn is all that the mean depends on.
    means = np.concatenate(
        [
            random.multinomial(len(values), counts / len(values), size) @ different
            for size in sizes
        ]
    ) / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_interval(gains, level=0.95):
    """An interval for the difference of two accuracies on the same pictures.

    Args:
        gains: for each picture 1 where only the one is right, -1 where only the other is, else
            0; or means of these over several trials.
        level: how often it holds the true difference. Defaults to 0.95.

    Returns:
        `(low, high)`; no point where no picture tells the two apart.

    Raises:
        ValueError: without pictures, or for a level that is no share.

    Reference: Agresti and Min, Simple improved confidence intervals for comparing matched
    proportions, Statistics in Medicine 24, 2005.
    """
    from scipy.stats import norm

    gains = np.asarray(gains, "float64")
    if gains.ndim != 1 or not len(gains) or not 0 < level < 1:
        raise ValueError(
            "`gains` must be at least one number in a row, and `level` lie between 0 and 1. "
            f"Received: gains of shape {gains.shape}, level={level}"
        )
    # Two pictures more, of which half a one is gained and half a one lost: else the interval is
    # too short where few differ, and empty where none does.
    number, squares = len(gains) + 2, np.sum(gains**2) + 1
    middle = gains.sum() / number
    half = norm.ppf((1 + level) / 2) * ((squares / number - middle**2) / number) ** 0.5
    return float(middle - half), float(middle + half)


def difference_interval(later, earlier, are_paired):
    """An interval for how much more pictures are recognised.

    Args:
        later: for each picture whether it is recognised, or in which share of several trials.
        earlier: the same otherwise.
        are_paired: whether rows are the same pictures. Of pictures in another order, what is
            hard for both cannot be taken off.

    Returns:
        `(low, high)`, 95% of `later - earlier`.
    """
    later, earlier = np.asarray(later, "float64"), np.asarray(earlier, "float64")
    if are_paired:
        return paired_interval(later - earlier)
    (low, high), (least, most) = bootstrap_interval(later), bootstrap_interval(earlier)
    return low - most, high - least


def wilson_interval(hits, size, level=0.95):
    """An interval for a share, which stays within 0 and 1 and is no point at its ends.

    Args:
        hits: how many pictures something holds for.
        size: of how many, at least 1.
        level: how often it holds the true share. Defaults to 0.95.

    Returns:
        `(low, high)`.

    Raises:
        ValueError: for more hits than pictures, for none, or for a level that is no share.

    Reference: Wilson, Probable Inference, JASA 1927.
    """
    from scipy.stats import binomtest

    if not 0 <= hits <= size or size < 1 or not 0 < level < 1:
        raise ValueError(
            "`hits` must lie between 0 and `size`, `size` be positive, and `level` lie between "
            f"0 and 1. Received: hits={hits}, size={size}, level={level}"
        )
    interval = binomtest(int(hits), int(size)).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)
