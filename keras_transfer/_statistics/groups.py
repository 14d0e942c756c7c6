"""Images that are alike within groups: those of a patient, of a video, of a place."""

import statistics

import numpy as np

_LEVEL = 0.95
# `scipy.stats` has it too, and takes 0.3 s to import.
NORMAL_QUANTILE = statistics.NormalDist().inv_cdf((1 + _LEVEL) / 2)
# In place of 0, which no interval can divide by.
_NO_NUMBER = 1e-6


def unit_numbers(groups, size=None):
    """A number for each group, and for each image without one, as an array.

    Args:
        groups: for each image its group or None; or None, no groups.
        size: the number of images.

    Raises:
        ValueError: if there is another number of groups than `size`.
    """
    if groups is None:
        return np.arange(size)
    if size not in (None, len(groups)):
        raise ValueError(
            "`groups` must hold the group of each image, or None. "
            f"Received: {len(groups)} groups for {size} images"
        )
    if isinstance(groups, np.ndarray) and groups.dtype.kind in "iu":
        return np.unique(groups, return_inverse=True)[1]
    numbers: dict = {}
    keys = (row if group is None else (group,) for row, group in enumerate(groups))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], int)


def effective_number(values, groups=None):
    """The number of independent images whose mean would be as precise as that of these.

    It is the number of images over the design effect: the variance of the mean, by leaving out
    each group in turn, over its variance if the images were independent. Few groups estimate
    the variance badly, so the number is reduced further, by the squared ratio of the quantiles
    of the normal and of Student's distribution.

    Args:
        values: a number for each image.
        groups: as in `unit_numbers`.

    Reference:
        Korn and Graubard, Confidence Intervals for Proportions with Small Expected Number of
        Positive Counts Estimated from Survey Data, Survey Methodology 24, 1998.
    """
    values, size = np.asarray(values, "float64"), len(values)
    units = unit_numbers(groups, size)
    counts = np.bincount(units)
    if len(counts) == size:
        return size
    if len(counts) == 1:
        return _NO_NUMBER
    deviations = values - values.mean()
    outside = np.bincount(units, deviations) / (size - counts)
    variance = (1 - 1 / len(counts)) * np.sum(outside**2)
    independent = np.sum(deviations**2) / size**2
    # Without deviations it is not known how alike a group is: as alike as can be.
    most = np.sum(counts**2) / size
    effect = max(1.0, variance / independent) if independent else most
    return max(size / effect * _quantile_ratio(counts) ** 2, _NO_NUMBER)


def number_to_draw(units):
    """How many groups a bootstrap sample has, so that measures vary as those of the groups do.

    Reference:
        Rao and Wu, Resampling Inference with Complex Survey Data, JASA 83, 1988, for one less
        than there are; fewer still for the quantile of Student's distribution.
    """
    counts = np.bincount(units)
    if len(counts) == len(units):
        return len(counts)
    return max(1, round((len(counts) - 1) * _quantile_ratio(counts) ** 2))


def _quantile_ratio(counts):
    """The quantile of the normal distribution over that of Student's, of unequal groups."""
    from scipy.special import stdtrit

    num_equal = counts.sum() ** 2 / np.sum(counts**2)
    return NORMAL_QUANTILE / stdtrit(num_equal - 1, (1 + _LEVEL) / 2)
