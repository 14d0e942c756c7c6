"""What a source classifier's answers say about the labels of another task."""

import numpy as np


def leep(probabilities, labels):
    """LEEP: the log likelihood of the labels by way of the source classifier's probabilities.

    From the joint distribution of labels and source classes the expected label of each source
    class follows; LEEP is the mean log probability that this gives the true labels. It is at
    most 0, and higher is better.

    Args:
        probabilities: what the source classifier predicts, an array of shape `(pictures,
            source classes)` whose rows sum to 1.
        labels: integers of shape `(pictures,)`, the numbers of classes.

    Returns:
        A float.

    Raises:
        ValueError: for rows that are no probabilities, or labels that do not fit.

    Reference: Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned
    Representations, ICML 2020, equations 1 and 2.
    """
    probabilities, labels = _check(probabilities, labels)
    joint = _one_hot(labels).T @ probabilities / len(labels)
    of_source = joint.sum(axis=0)
    conditional = joint / np.where(of_source > 0, of_source, 1)
    expected = probabilities @ conditional.T
    return float(np.mean(np.log(expected[np.arange(len(labels)), labels])))


def nce(probabilities, labels):
    """NCE: the negative conditional entropy of the labels, given the source classes.

    As LEEP, with the most probable source class alone.

    Args:
        probabilities: as in `leep`.
        labels: as there.

    Returns:
        A float, at most 0; higher is better.

    Raises:
        ValueError: as `leep`.

    Reference: Tran et al., Transferability and Hardness of Supervised Classification Tasks,
    ICCV 2019, equation 3.
    """
    probabilities, labels = _check(probabilities, labels)
    hard = _one_hot(probabilities.argmax(axis=1), probabilities.shape[1])
    return leep(hard, labels)


def _one_hot(labels, num_classes=None):
    return np.eye(num_classes or labels.max() + 1)[labels]


def _check(probabilities, labels):
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    is_matrix = probabilities.ndim == 2 and len(probabilities) > 0
    if not is_matrix or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            "`probabilities` must have a row for each picture that sums to 1. "
            f"Received: an array of shape {probabilities.shape}"
        )
    if labels.shape != probabilities.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "`labels` must be the number of a class for each picture. Received: labels of "
            f"shape {labels.shape} and type {labels.dtype} for {len(probabilities)} pictures"
        )
    return np.maximum(probabilities, 0), labels
