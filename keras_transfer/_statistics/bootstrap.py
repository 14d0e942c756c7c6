"""95% intervals of measures that have no formula for one, by resampling the images.

The images of a group are drawn together.
"""

import numpy as np

from keras_transfer._statistics.groups import number_to_draw, unit_numbers

_ENDS = (0.025, 0.975)


def resampled(size, num_draws, seed=0, groups=None):
    """How often each image is in each bootstrap sample, `(1 + num_draws, size)`.

    The first row is the sample itself, with all ones. With `groups`, for each image its group
    or None, the samples have different numbers of images. One group alone has no samples.
    """
    units = unit_numbers(groups, size)
    number = units.max() + 1
    if number == 1:
        return np.ones((1, size), int)
    random, shares = np.random.default_rng(seed), np.full(number, 1 / number)
    drawn = random.multinomial(number_to_draw(units), shares, size=num_draws)[:, units]
    return np.concatenate([np.ones((1, size), drawn.dtype), drawn])


def span(values):
    """The percentile interval `(low, high)` around the first of the values, or None.

    Args:
        values: a measure for each row of `resampled`. Samples in which it is not defined, NaN,
            are left out.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    found = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(found):
        return None
    low, high = np.quantile(found, _ENDS)
    return float(min(low, values[0])), float(max(high, values[0]))
