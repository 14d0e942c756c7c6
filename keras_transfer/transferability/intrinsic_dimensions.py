"""How many directions features really vary in."""

import numpy as np

# The farthest ratios depend on the curvature and on outliers most.
_LEFT_OUT = 0.1
# Of a row's length: nearer than this a neighbour is the same picture, rounded.
_SAME = 1e-5


def intrinsic_dimension(features, most_pictures=3000):
    """The dimension of the manifold that features lie on, by their two nearest neighbours.

    Where features fill d dimensions evenly, the ratio of the distances to the second and to
    the first neighbour has the distribution `1 - r⁻ᵈ`; d is its maximum-likelihood estimate
    without the largest tenth of the ratios. Copies of a picture count once.

    Args:
        features: an array of shape `(pictures, features)`.
        most_pictures: to look at; of more, so many are drawn, for the time grows with their
            square. Defaults to 3000.

    Returns:
        A float; 0 where fewer than ten pictures have two neighbours that are not equal to them.

    Raises:
        ValueError: if the features are no matrix.

    Reference: Facco et al., Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information, Scientific Reports 2017, equation 3.
    """
    features = np.asarray(features, "float64")
    if features.ndim != 2:
        raise ValueError(
            "`features` must be a matrix, a row for each picture. "
            f"Received: features of shape {features.shape}"
        )
    if len(features) > most_pictures:
        features = np.random.default_rng(0).permutation(features)[:most_pictures]
    ratios = _ratios(np.unique(features, axis=0))
    if len(ratios) < 10:
        return 0.0
    logs = np.sort(np.log(ratios))
    kept = len(logs) - int(_LEFT_OUT * len(logs))
    # The likelihood of a sample of which only the smallest values are known exactly.
    total = logs[:kept].sum() + (len(logs) - kept) * logs[kept - 1]
    return float(kept / total) if total else 0.0


def _ratios(features):
    """The second distance over the first one, for each picture that has both."""
    from sklearn.neighbors import NearestNeighbors

    if len(features) < 3:
        return np.empty(0)
    features = features - features.mean(axis=0)  # distances lose fewer digits
    distances, _ = NearestNeighbors(n_neighbors=3).fit(features).kneighbors(features)
    # The first is the picture itself.
    other = distances[:, 1] > _SAME * np.linalg.norm(features, axis=1)
    return distances[other, 2] / distances[other, 1]
