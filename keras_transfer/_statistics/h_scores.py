"""How well classes are apart, against how widely features spread."""

import numpy as np

from keras_transfer._statistics.linear_models import check_features

# In units of the mean variance.
_LEAST_VARIANCE = 1e-9


def h_score(features, labels, shrinkage=True):
    """H-score: the variance between the classes in units of that of the features.

    It is `tr(S⁻¹ B)` with the covariance S of the features and B of the classes' means: between
    0 and the number of classes less one, and higher is better. With few pictures for many
    features S cannot be inverted; the Ledoit-Wolf estimate is then taken, and B is shrunk with
    it.

    Args:
        features: an array of shape `(pictures, features)`.
        labels: integers of shape `(pictures,)`, the numbers of classes.
        shrinkage: whether covariances are shrunk. Defaults to True. False takes the
            pseudo-inverse of S as it is.

    Returns:
        A float.

    Raises:
        ValueError: as `cross_validate`.

    Reference: Bao et al., An Information-Theoretic Approach to Transferability in Task
    Transfer Learning, ICIP 2019, definition 2; with shrinkage Ibrahim et al., Newer is not
    always better: Rethinking transferability metrics, ECML 2022, equation 4.
    """
    features, labels = check_features(features, labels)
    features = features.astype("float64")
    features -= features.mean(axis=0)
    # The score does not depend on the scale, and the features of random networks may be tiny.
    features /= np.sqrt(np.mean(features**2)) or 1.0
    classes, counts = np.unique(labels, return_counts=True)
    means = np.stack([features[labels == number].mean(axis=0) for number in classes])
    # B is the product of these with themselves: one row a class.
    roots = np.sqrt(counts / len(labels))[:, np.newaxis] * means
    if not shrinkage:
        covariance = features.T @ features / len(features)
        return float(np.sum(roots.T * (np.linalg.pinv(covariance, hermitian=True) @ roots.T)))
    covariance, intensity = _shrunk_covariance(features)
    return float((1 - intensity) * np.sum(roots.T * np.linalg.solve(covariance, roots.T)))


def _shrunk_covariance(features):
    from sklearn.covariance import ledoit_wolf

    covariance, intensity = ledoit_wolf(features, assume_centered=True)
    # A feature that never varies has no variance even then.
    least = _LEAST_VARIANCE * max(np.trace(covariance) / len(covariance), _LEAST_VARIANCE)
    return covariance + least * np.eye(len(covariance)), intensity
