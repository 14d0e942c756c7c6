"""How well scores rank images with a label above those without, for many weightings at once."""

import numpy as np


def ranking_measures(scores, labels, weights):
    """The average precision and the area under the ROC curve for each weighting of the images.

    Args:
        scores: an array `(images,)`.
        labels: whether each image has the label, of the same shape.
        weights: an array `(weightings, images)`, such as the counts of bootstrap samples.

    Returns:
        Two arrays `(weightings,)`; NaN where all or none of the weight has the label.

    Reference: Davis and Goadrich, The Relationship Between Precision-Recall and ROC Curves,
    ICML 2006.
    """
    order = np.argsort(-scores, kind="stable")
    scores, labels, weights = scores[order], np.asarray(labels, bool)[order], weights[:, order]
    # Images with equal scores are retrieved together.
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    found = np.cumsum(weights * labels, axis=1)[:, ends]
    retrieved = np.cumsum(weights, axis=1)[:, ends]
    positive, negative = found[:, -1:], retrieved[:, -1:] - found[:, -1:]
    zero = np.zeros((len(weights), 1))
    gained = np.diff(found, axis=1, prepend=zero)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = gained / positive
        precision = np.where(retrieved > 0, found / retrieved, 0.0)
        wrong = retrieved - found
        rate = np.diff(wrong, axis=1, prepend=zero) / negative
        # The trapezoid between two thresholds.
        height = (found - gained / 2) / positive
        measures = (recall * precision).sum(axis=1), (rate * height).sum(axis=1)
    is_known = (positive[:, 0] > 0) & (negative[:, 0] > 0)
    return tuple(np.where(is_known, found, np.nan) for found in measures)
