"""The expected calibration error, and what it is made of."""

import numpy as np

from keras_transfer.calibration.answers import check_answers
from keras_transfer.calibration.calibration import Calibration, ReliabilityBin


def expected_calibration_error(probabilities, labels, num_bins=15, equal_mass=False):
    """How far confidence and accuracy are apart, on average.

    Pictures are put into bins by the probability of the class that is predicted. In each bin
    the mean of these probabilities is compared with the share of right predictions, and the
    absolute differences are averaged, each weighted by its pictures.

    Args:
        probabilities: an array of shape `(pictures, classes)`.
        labels: the true classes, integers of shape `(pictures,)`.
        num_bins: into how many bins. Defaults to 15.
        equal_mass: whether the bins have as many pictures each, instead of the same width.
            Defaults to False.

    Returns:
        A float from 0 to 1.

    Raises:
        ValueError: for probabilities or labels that are none, or `num_bins` below 1.

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3;
    bins of equal mass: Nixon et al., Measuring Calibration in Deep Learning, 2019.
    """
    confidence, correct = _confidence_and_hits(probabilities, labels)
    numbers, _ = _bins(confidence, num_bins, equal_mass)
    return _error(numbers, confidence - correct, num_bins)


def reliability(probabilities, labels, num_bins=15, equal_mass=False):
    """Confidence and accuracy by bins: what a reliability diagram shows.

    Args:
        probabilities: as in `expected_calibration_error`.
        labels: as there.
        num_bins: as there. Defaults to 15.
        equal_mass: as there. Defaults to False.

    Returns:
        A tuple of `ReliabilityBin`, by confidence; those without pictures are left out.

    Raises:
        ValueError: as there.
    """
    confidence, correct = _confidence_and_hits(probabilities, labels)
    numbers, edges = _bins(confidence, num_bins, equal_mass)
    found = []
    for number in np.unique(numbers):
        belongs = numbers == number
        found.append(
            ReliabilityBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                confidence=float(confidence[belongs].mean()),
                accuracy=float(correct[belongs].mean()),
                count=int(belongs.sum()),
            )
        )
    return tuple(found)


def measure_calibration(
    probabilities, labels, num_bins=15, equal_mass=False, num_draws=1000, seed=0
):
    """The expected calibration error with its bins and its interval.

    The error is an average of absolute values, which chance makes larger: drawing pictures
    anew adds to it once more what chance has added. The interval takes that off. It begins at
    0 where a model whose confidence is right would have such an error by chance, and never
    ends below the error itself.

    Args:
        probabilities: as in `expected_calibration_error`.
        labels: as there.
        num_bins: as there. Defaults to 15.
        equal_mass: as there. Defaults to False.
        num_draws: how often pictures are drawn anew for the interval. Defaults to 1000.
        seed: of the draws. Defaults to 0.

    Returns:
        A `Calibration`.

    Raises:
        ValueError: as there.

    Reference: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 5.2,
    the basic interval; Bröcker and Smith, Increasing the Reliability of Reliability Diagrams,
    2007, for what chance does to a calibrated model.
    """
    confidence, correct = _confidence_and_hits(probabilities, labels)
    numbers, _ = _bins(confidence, num_bins, equal_mass)
    error = _error(numbers, confidence - correct, num_bins)
    return Calibration(
        ece=error,
        interval=_interval(error, confidence, correct, numbers, num_draws, seed),
        bins=reliability(probabilities, labels, num_bins, equal_mass),
        accuracy=float(correct.mean()),
        confidence=float(confidence.mean()),
        num_images=len(correct),
    )


def _interval(error, confidence, correct, numbers, num_draws, seed):
    random, size = np.random.default_rng(seed), len(correct)
    gaps, num_bins = confidence - correct, numbers.max() + 1
    again, by_chance = np.empty(num_draws), np.empty(num_draws)
    for draw in range(num_draws):
        rows = random.integers(size, size=size)
        again[draw] = _error(numbers[rows], gaps[rows], num_bins)
        hits = random.random(size) < confidence
        by_chance[draw] = _error(numbers, confidence - hits, num_bins)
    low, high = (float(2 * error - end) for end in np.quantile(again, [0.975, 0.025]))
    if error <= np.quantile(by_chance, 0.975):
        low = 0.0
    return max(0.0, low), max(error, high)


def _error(numbers, gaps, num_bins):
    # |accuracy - confidence| of a bin times its pictures is the absolute sum of their gaps.
    return float(np.abs(np.bincount(numbers, gaps, num_bins)).sum() / len(gaps))


def _confidence_and_hits(probabilities, labels):
    probabilities, labels = check_answers(probabilities, labels)
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _bins(confidence, num_bins, equal_mass):
    """The number of each confidence's bin, and the edges of the bins."""
    if isinstance(num_bins, bool) or not isinstance(num_bins, int) or num_bins < 1:
        raise ValueError(
            f"`num_bins` must be a positive integer. Received: num_bins={num_bins!r}"
        )
    edges = np.linspace(0, 1, num_bins + 1)
    if equal_mass:
        edges = np.quantile(confidence, edges)
    return np.searchsorted(edges[1:-1], confidence, side="left"), edges
