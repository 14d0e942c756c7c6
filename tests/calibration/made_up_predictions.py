"""Predictions of made-up models with a known miscalibration."""

import numpy as np


def draw_predictions(random, size, over=0.0, num_classes=4):
    """Probabilities and labels of a model whose accuracy is its confidence minus `over`.

    The confidence is uniform from 0.6 to 1.
    """
    confidence = random.uniform(0.6, 1, size)
    predicted = random.integers(num_classes, size=size)
    rest = random.dirichlet(np.ones(num_classes - 1), size) * (1 - confidence)[:, np.newaxis]
    probabilities = np.empty((size, num_classes))
    is_predicted = np.arange(num_classes) == predicted[:, np.newaxis]
    probabilities[is_predicted] = confidence
    probabilities[~is_predicted] = rest.ravel()
    is_right = random.random(size) < confidence - over
    other = (predicted + random.integers(1, num_classes, size)) % num_classes
    return probabilities, np.where(is_right, predicted, other)


def draw_logits(random, size, scale, num_classes=4):
    """Probabilities and labels of a model whose logits are `scale` times the true ones."""
    logits = 2 * random.normal(size=(size, num_classes))
    shares = softmax(logits)
    labels = (shares.cumsum(axis=1) < random.random((size, 1))).sum(axis=1)
    return softmax(scale * logits), np.minimum(labels, num_classes - 1)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
