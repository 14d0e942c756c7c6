"""Split conformal prediction, and a threshold for "don't know"."""

import math

import numpy as np

from keras_transfer.reports.answers import check_answers
from keras_transfer.reports.conformal_threshold import ConformalThreshold

# Shares of the pictures, the surest first, that are tried for answers.
_SHARES = np.arange(1, 21) / 20


def fit_conformal(probabilities, labels, error_rate=0.05, certainty=0.95):
    """Finds which classes to name, and when to answer at all, for a wanted rate of errors.

    Sets of classes: with the `ceil((n + 1) (1 - error_rate))`-th smallest of `1 - p` of the
    true classes, sets cover the true class of a new picture with a probability of at least
    `1 - error_rate`, whatever the model.

    Answers: the surest 5%, 10%, ... 100% of the pictures are tried. The pictures above a
    quantile of the confidences are independent draws from all such pictures, so each trial is
    a binomial test of the hypothesis that more than `error_rate` of such answers are wrong; of
    the shares that pass at `(1 - certainty) / 20` (Bonferroni) the largest is taken.

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
    Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, NIPS 2017, for
    answers.
    """
    probabilities, labels = check_answers(probabilities, labels)
    for name, value in {"error_rate": error_rate, "certainty": certainty}.items():
        if not 0 < value < 1:
            raise ValueError(f"`{name}` must lie between 0 and 1. Received: {name}={value!r}")
    of_truth = probabilities[np.arange(len(labels)), labels]
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    threshold, bound = _answers(confidence, wrong, error_rate, 1 - certainty)
    return ConformalThreshold(
        error_rate=float(error_rate),
        set_threshold=_quantile(1 - of_truth, error_rate),
        answer_threshold=threshold,
        answered=float(np.mean(confidence > threshold)),
        error_bound=bound,
        certainty=float(certainty),
        num_images=len(labels),
    )


def _quantile(scores, error_rate):
    # Where the product is a whole number, rounding must not make it the next one.
    rank = math.ceil((len(scores) + 1) * (1 - error_rate) - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def _answers(confidence, wrong, error_rate, level):
    """The threshold of the largest share that passes, and the bound of its errors."""
    from scipy.stats import beta

    size, level = len(confidence), level / len(_SHARES)
    falling = np.sort(confidence)[::-1]
    for share in _SHARES[::-1]:
        # How many lie above is random, but given it and the threshold they are independent.
        threshold = float(falling[math.floor(size * share)]) if share < 1 else -math.inf
        is_above = confidence > threshold
        count, errors = int(is_above.sum()), int(wrong[is_above].sum())
        if count > errors:
            # Clopper and Pearson's: below the rate where the binomial test rejects.
            bound = float(beta.ppf(1 - level, errors + 1, count - errors))
            if bound <= error_rate:
                return threshold, bound
    return math.inf, None
