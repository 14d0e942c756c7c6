"""95% intervals of measures that have no formula for one, by resampling the images."""

import numpy as np

_ENDS = (0.025, 0.975)


def resampled(size, num_draws, seed=0):
    """How often each image is in each bootstrap sample, `(1 + num_draws, size)`.

    The first row is the sample itself, with all ones.
    """
    random = np.random.default_rng(seed)
    drawn = random.multinomial(size, np.full(size, 1 / size), size=num_draws)
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
