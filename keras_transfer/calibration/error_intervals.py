"""The confidence interval of an expected calibration error."""

import numpy as np

# Not 2.5%: how the error is spread over the bins is estimated too. In simulations of calibrated
# and miscalibrated models the intervals of 100 to 3000 images then contain the true error in 93
# to 99% of all draws.
_TAIL = 0.015
_STEPS = 12  # to 1/4096 of the largest gap


def error_interval(counts, confidences, gaps, num_draws, seed):
    """The bounds within which a true error explains the measured one.

    Chance makes the measured error larger than the true one, more so for a small one.
    Therefore models with true errors from zero upwards are simulated: the interval holds those
    whose measured errors would contain the given one.

    Args:
        counts: the effective number of images of each bin.
        confidences: the mean confidence of each bin.
        gaps: the mean confidence minus the accuracy of each bin.
        num_draws: the number of simulated sets of images.
        seed: of the simulation.
    """
    size = max(1, round(counts.sum()))
    shares = counts / counts.sum()
    error = float((shares * np.abs(gaps)).sum())
    directions = _directions(counts, confidences, gaps)
    drawn = np.random.default_rng(seed).multinomial(size, shares, num_draws)

    def accuracies(scale):
        return np.clip(confidences - scale * directions, 0, 1)

    def measured(scale):
        hits = np.random.default_rng(seed + 1).binomial(drawn, accuracies(scale))
        return np.abs(drawn * confidences - hits).sum(axis=1) / size

    def true_error(scale):
        return float((shares * np.abs(confidences - accuracies(scale))).sum())

    def last(tail):
        """The true error up to which the quantile of the measured ones is below the given."""
        if error <= np.quantile(measured(0.0), tail):
            return 0.0
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            below = np.quantile(measured(middle), tail) < error
            low, high = (middle, high) if below else (low, middle)
        return true_error(low)

    return min(last(1 - _TAIL), error), max(last(_TAIL), error)


def _directions(counts, confidences, gaps):
    """The gaps of the bins relative to each other, without the part that chance adds.

    Each is drawn to their mean by empirical Bayes, the more the fewer images it has.
    """
    shares = counts / counts.sum()
    accuracies = confidences - gaps
    variance = np.maximum(accuracies * (1 - accuracies), 0.25 / counts) / counts
    mean = (shares * gaps).sum()
    spread = max(0.0, (shares * ((gaps - mean) ** 2 - variance)).sum())
    directions = mean + (gaps - mean) * spread / (spread + variance)
    largest = np.abs(directions).max()
    return directions / largest if largest > 0 else np.ones(len(gaps))
