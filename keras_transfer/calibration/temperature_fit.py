"""The temperature that makes a model as sure as it is right."""

import numpy as np

from keras_transfer.calibration.answers import check_answers

# With every prediction right the likelihood grows without end as the temperature falls.
LOWEST, HIGHEST = 0.1, 10.0
# The smallest positive number of float32: a probability of zero has no logarithm.
_TINY = 1e-45


def fit_temperature(probabilities, labels):
    """The temperature that logits are divided by for the highest likelihood of the labels.

    Above 1 it makes a model less sure, below 1 surer. Use pictures that the model was not
    trained on.

    Args:
        probabilities: an array of shape `(pictures, classes)`, from a softmax.
        labels: the true classes, integers of shape `(pictures,)`.

    Returns:
        A float from 0.1 to 10. It is one of these two where no temperature is the best: 0.1
        where every prediction is right.

    Raises:
        ValueError: for probabilities or labels that are none.

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    from scipy.optimize import minimize_scalar

    probabilities, labels = check_answers(probabilities, labels)
    logits = np.log(np.maximum(probabilities, _TINY))

    def loss(log_temperature):
        return _cross_entropy(logits * np.exp(-log_temperature), labels)

    # It is convex in 1/T, so it has one minimum in log T as well.
    bounds = np.log(LOWEST), np.log(HIGHEST)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    inside = float(np.exp(found.x))
    return min([inside, LOWEST, HIGHEST], key=lambda temperature: loss(np.log(temperature)))


def at_temperature(probabilities, temperature):
    """What probabilities become when their logits are divided by a temperature.

    Args:
        probabilities: an array of shape `(pictures, classes)`, from a softmax.
        temperature: a positive number.

    Returns:
        A float64 array of the same shape.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, "float64"), _TINY)) / temperature
    return np.exp(logits - _log_sums(logits)[:, np.newaxis])


def _cross_entropy(logits, labels):
    return float(np.mean(_log_sums(logits) - logits[np.arange(len(labels)), labels]))


def _log_sums(logits):
    from scipy.special import logsumexp

    return logsumexp(logits, axis=1)
