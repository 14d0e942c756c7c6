"""95% confidence intervals, `(low, high)`, for accuracies and their differences."""

import numpy as np

_LEVEL, _NUM_DRAWS = 0.95, 2000


def bootstrap_interval(values, seed=0):
    """Percentile bootstrap interval of the mean of finite numbers with few distinct values.

    Reference:
        Efron, Bootstrap Methods: Another Look at the Jackknife, The Annals of Statistics, 1979.
    """
    # The mean depends only on how often each distinct value is drawn.
    distinct, counts = np.unique(np.asarray(values, "float64"), return_counts=True)
    draws = np.random.default_rng(seed).multinomial(
        counts.sum(), counts / counts.sum(), _NUM_DRAWS
    )
    means = draws @ distinct / counts.sum()
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def paired_interval(gains):
    """Interval for the difference of two accuracies on the same images.

    `gains` is for each image 1 if only the first classifier is correct, -1 if only the second
    is, else 0; or means of these over several trials.

    Reference:
        Agresti and Min, Simple improved confidence intervals for comparing matched proportions,
        Statistics in Medicine 24, 2005.
    """
    from scipy.stats import norm

    gains = np.asarray(gains, "float64")
    # Two pseudo-observations, half a gain and half a loss each: without them the interval is
    # too short for few differences and empty for none.
    number, squares = len(gains) + 2, np.sum(gains**2) + 1
    middle = gains.sum() / number
    half = norm.ppf((1 + _LEVEL) / 2) * ((squares / number - middle**2) / number) ** 0.5
    return float(middle - half), float(middle + half)


def difference_interval(later, earlier, are_paired):
    """Interval for `mean(later) - mean(earlier)`, two accuracies, from the hits of each image.

    If equal rows are not the same images, it is the conservative one of two bootstrap
    intervals.
    """
    later, earlier = np.asarray(later, "float64"), np.asarray(earlier, "float64")
    if are_paired:
        return paired_interval(later - earlier)
    (low, high), (least, most) = bootstrap_interval(later), bootstrap_interval(earlier)
    return low - most, high - least


def wilson_interval(hits, size):
    """Wilson's score interval for the proportion `hits / size`.

    Reference:
        Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.
    """
    from scipy.stats import binomtest

    interval = binomtest(int(hits), int(size)).proportion_ci(_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
