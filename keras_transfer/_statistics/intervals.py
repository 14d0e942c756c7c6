"""95% confidence intervals, `(low, high)`, for accuracies and their differences.

`groups` are for each image its group or None: images of a group are alike, so an interval
counts groups rather than images.
"""

import numpy as np

from keras_transfer._statistics.groups import NORMAL_QUANTILE, effective_number, unit_numbers

# The accuracy that a cut may cost. With 244 images, dropping stages whose interval allowed a
# loss of 9 points did cost 8.
_MOST_LOSS = 0.03


def paired_interval(gains, groups=None):
    """Interval for the difference of two accuracies on the same images.

    `gains` is for each image 1 if only the first classifier is correct, -1 if only the second
    is, else 0; or means of these over several trials.

    Reference:
        Agresti and Min, Simple improved confidence intervals for comparing matched proportions,
        Statistics in Medicine 24, 2005.
    """
    gains = np.asarray(gains, "float64")
    # Two pseudo-observations, half a gain and half a loss each: without them the interval is
    # too short for few differences and empty for none.
    size = effective_number(gains, groups)
    number, squares = size + 2, size * np.mean(gains**2) + 1
    middle = size * gains.mean() / number
    half = NORMAL_QUANTILE * ((squares / number - middle**2) / number) ** 0.5
    # The approximation may reach over the ends of what a difference can be.
    return max(float(middle - half), -1.0), min(float(middle + half), 1.0)


def gains_of_later(hits, groups=None):
    """For each row of hits, an interval for the largest gain of the rows after it, or None.

    Each end is the largest one over all later rows, compared on the same images. The last row
    has None. Hits are bool arrays of shape `(images,)`.
    """
    rows = [np.asarray(row, int) for row in hits]
    groups = unit_numbers(groups, len(rows[0]))
    found = []
    for place, row in enumerate(rows[:-1]):
        pairs = [paired_interval(later - row, groups) for later in rows[place + 1 :]]
        found.append(tuple(map(max, zip(*pairs, strict=True))))
    return (*found, None)


def first_sufficient(gains):
    """The index of the first row after which hits no longer improve.

    No later row is significantly better, and the interval excludes a gain of more than 3
    points. With few images neither may hold before the last row.

    Args:
        gains: what `gains_of_later` returns.
    """
    return next(
        place
        for place, gain in enumerate(gains)
        if gain is None or (gain[0] <= 0 and gain[1] <= _MOST_LOSS)
    )


def difference_interval(later, earlier, are_paired, groups=None):
    """Interval for `mean(later) - mean(earlier)`, two accuracies, from the hits of each image.

    Hits are 0, 1, or means over several trials. If equal rows are not the same images, the
    interval is the conservative one of two Wilson intervals, and groups are not known.
    """
    later, earlier = np.asarray(later, "float64"), np.asarray(earlier, "float64")
    if are_paired:
        return paired_interval(later - earlier, groups)
    (low, high), (least, most) = (share_interval(hits) for hits in (later, earlier))
    return low - most, high - least


def share_interval(hits, groups=None):
    """Wilson's score interval for the mean of hits, with the effective number of images."""
    return _wilson(float(np.mean(hits)), effective_number(hits, groups))


def wilson_interval(hits, size):
    """Wilson's score interval for the proportion `hits / size`.

    Reference:
        Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.
    """
    return _wilson(int(hits) / int(size), int(size))


def _wilson(share, size):
    spread = NORMAL_QUANTILE**2 / size
    middle = (share + spread / 2) / (1 + spread)
    half = (spread * (share * (1 - share) + spread / 4)) ** 0.5 / (1 + spread)
    # Rounding must not exclude a share of 0 or 1.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
