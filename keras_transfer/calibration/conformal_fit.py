"""Split conformal prediction, and a threshold for "don't know"."""

import math

import numpy as np

from keras_transfer.calibration.answers import check_answers
from keras_transfer.calibration.conformal_threshold import ConformalThreshold

# In how many steps the share of the pictures that are answered grows.
_STEPS = 20


def fit_conformal(probabilities, labels, error_rate=0.05, certainty=0.95):
    """Finds which classes to name, and when to answer at all, for a wanted rate of errors.

    Sets of classes: with the `ceil((n + 1) (1 - error_rate))`-th smallest of `1 - p` of the
    true classes, sets cover the true class of a new picture with a probability of at least
    `1 - error_rate`, whatever the model.

    Answers: the share of the pictures that are answered, the surest first, grows in steps of
    5% from the first at which the test below can pass, until one fails. The pictures above the
    k-th highest confidence are independent draws from all such pictures, so a binomial test
    tells whether more than `error_rate` of such answers are wrong; since the order is fixed
    before, each step has the whole level of `1 - certainty`. That needs no more than that,
    from where answers become too often wrong, surer ones are not wrong more often: look at
    `plot_reliability`.

    Args:
        probabilities: an array of shape `(pictures, classes)`, of pictures that the model was
            not trained on, nor its temperature fitted.
        labels: the true classes, integers of shape `(pictures,)`.
        error_rate: above 0 and below 1. Defaults to 0.05.
        certainty: of the threshold for answers. Defaults to 0.95.

    Returns:
        A `ConformalThreshold`.

    Raises:
        ValueError: for probabilities, labels or rates that are none.

    Reference: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005;
    Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction, 2021, section 1;
    Angelopoulos et al., Learn then Test, 2021, fixed sequence testing, for answers.
    """
    probabilities, labels = check_answers(probabilities, labels)
    for name, value in {"error_rate": error_rate, "certainty": certainty}.items():
        if not 0 < value < 1:
            raise ValueError(f"`{name}` must lie between 0 and 1. Received: {name}={value!r}")
    of_truth = probabilities[np.arange(len(labels)), labels]
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    threshold = _answer_threshold(confidence, wrong, error_rate, 1 - certainty)
    is_answered = confidence > threshold
    return ConformalThreshold(
        error_rate=float(error_rate),
        set_threshold=_quantile(1 - of_truth, error_rate),
        answer_threshold=threshold,
        answered=float(is_answered.mean()),
        wrong=float(wrong[is_answered].mean()) if is_answered.any() else None,
        certainty=float(certainty),
        num_images=len(labels),
    )


def _quantile(scores, error_rate):
    # Where the product is a whole number, rounding must not make it the next one.
    rank = math.ceil((len(scores) + 1) * (1 - error_rate) - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def _answer_threshold(confidence, wrong, error_rate, level):
    from scipy.stats import binom

    size, falling = len(confidence), np.sort(confidence)[::-1]
    # With fewer, not even answers without a mistake show a rate this low.
    fewest = math.ceil(math.log(level) / math.log(1 - error_rate))
    ranks = [size * step // _STEPS for step in range(1, _STEPS + 1)]
    passed = math.inf
    for rank in (rank for rank in ranks if rank >= fewest):
        # Of equal confidences fewer lie above; given how many, they are independent as well.
        threshold = float(falling[rank]) if rank < size else -math.inf
        is_above = confidence > threshold
        if is_above.sum() < fewest:  # ties: the next share reaches beyond them
            continue
        if binom.cdf(wrong[is_above].sum(), is_above.sum(), error_rate) > level:
            break
        passed = threshold
    return passed
