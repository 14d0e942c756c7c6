"""95% confidence intervals, `(low, high)`, for accuracies and their differences."""

import numpy as np

_LEVEL = 0.95


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

    Hits are 0, 1, or means over several trials. If equal rows are not the same images, the
    interval is the conservative one of two Wilson intervals.
    """
    later, earlier = np.asarray(later, "float64"), np.asarray(earlier, "float64")
    if are_paired:
        return paired_interval(later - earlier)
    (low, high), (least, most) = (
        wilson_interval(round(hits.sum()), len(hits)) for hits in (later, earlier)
    )
    return low - most, high - least


def wilson_interval(hits, size):
    """Wilson's score interval for the proportion `hits / size`.

    Reference:
        Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.
    """
    from scipy.stats import binomtest

    interval = binomtest(int(hits), int(size)).proportion_ci(_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
