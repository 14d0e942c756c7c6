"""Groups of images that a backbone sees as alike, without labels."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._figures import new_figure, short_name
from keras_transfer._statistics.linear_models import standardized
from keras_transfer.features import FeatureCache
from keras_transfer.features.observed_source import source_of
from keras_transfer.features.pooled import pooled_features, unaugmented

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Clusters that are tried, and images that each needs on average.
_MOST_CLUSTERS, _IMAGES_EACH = 12, 10
_DIRECTIONS, _TRIALS, _SHOWN = 32, 5, 6
# Clusterings of two halves that agree less than this are mostly chance.
_STABLE = 0.6


@dataclasses.dataclass(frozen=True)
class Clusters:
    """Images in clusters, and how far another sample would give the same ones.

    Attributes:
        labels: the cluster of each image, integers of shape `(images,)`, the largest cluster
            first, in the order of `features.pooled_features`.
        stability: a dict from each number of clusters that was tried to the mean adjusted Rand
            index of clusterings of random halves: 1 if they agree, 0 by chance.
        representatives: for each cluster the numbers of the images nearest to its centre.
    """

    labels: np.ndarray
    stability: dict[int, float]
    representatives: tuple[tuple[int, ...], ...]

    @property
    def num_clusters(self) -> int:
        """The number of clusters."""
        return len(self.representatives)

    @property
    def conclusion(self) -> str:
        """How many clusters there are and whether they are stable, in a sentence."""
        found = self.stability[self.num_clusters]
        rest = "" if found >= _STABLE else ", too little to trust them"
        return (
            f"{self.num_clusters} clusters of {len(self.labels)} images; clusterings of two "
            f"halves agree by {found:.2f} (adjusted Rand index){rest}."
        )

    def rows(self) -> list[tuple[str, ...]]:
        """The table of the clusters, the header first."""
        sizes = np.bincount(self.labels, minlength=self.num_clusters)
        lines = [
            (str(number + 1), str(size), ", ".join(map(str, nearest)))
            for number, (size, nearest) in enumerate(
                zip(sizes.tolist(), self.representatives, strict=True)
            )
        ]
        return [("cluster", "images", "numbers of typical images"), *lines]

    def to_json(self) -> dict:
        """The attributes and the conclusion as plain values."""
        return {
            "labels": self.labels.tolist(),
            "stability": {str(number): value for number, value in self.stability.items()},
            "representatives": [list(nearest) for nearest in self.representatives],
            "conclusion": self.conclusion,
        }


def cluster(
    backbone: keras.Model,
    data: tf.data.Dataset,
    num_clusters: int | None = None,
    cache: FeatureCache | None = None,
    seed: int = 0,
) -> Clusters:
    """Groups images by the features of a backbone, by k-means.

    Look at the clusters before you label: they show what the network tells apart by itself, and
    images that belong to no class.

    Args:
        backbone: a `Backbone`, or another functional or sequential model.
        data: a `tf.data.Dataset` of batches of images, or of tuples that start with images.
        num_clusters: at least 2. Defaults to None, the most stable number up to 12.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        seed: of k-means and of the halves. Defaults to 0.

    Returns:
        `Clusters`; `plot_clusters` draws typical images of each.

    Raises:
        ValueError: if there are fewer than 20 images, or `num_clusters` is out of its range.

    Example:
        >>> repeated = train.concatenate(train)
        >>> found = transferability.cluster(backbone, repeated, num_clusters=3)
        >>> found.labels.shape, found.num_clusters
        ((36,), 3)

    Reference: Lange et al., Stability-Based Validation of Clustering Solutions, Neural
    Computation 2004.
    """
    from sklearn.decomposition import PCA

    features = pooled_features(backbone, data, cache).features
    most = min(_MOST_CLUSTERS, len(features) // _IMAGES_EACH)
    if most < 2:
        raise ValueError(
            f"Clusters need at least {2 * _IMAGES_EACH} images. Received: {len(features)}"
        )
    is_whole = isinstance(num_clusters, int) and not isinstance(num_clusters, bool)
    if num_clusters is not None and not (is_whole and 2 <= num_clusters <= len(features) // 2):
        raise ValueError(
            f"`num_clusters` must be an integer from 2 to {len(features) // 2}, half of the "
            f"number of images, or None. Received: num_clusters={num_clusters!r}"
        )
    rows = standardized(features)[0]
    rows = PCA(min(_DIRECTIONS, *rows.shape), random_state=seed).fit_transform(rows)
    numbers = range(2, most + 1) if num_clusters is None else [num_clusters]
    stability = {number: _stability(rows, number, seed) for number in numbers}
    chosen = max(stability, key=lambda number: (round(stability[number], 2), number))
    found = _means(rows, chosen, seed)
    order = np.argsort(-np.bincount(found.labels_, minlength=chosen), kind="stable")
    distances = found.transform(rows)[:, order]
    return Clusters(
        labels=np.argsort(order)[found.labels_],
        stability=stability,
        representatives=tuple(
            tuple(np.argsort(column, kind="stable")[:_SHOWN].tolist()) for column in distances.T
        ),
    )


def plot_clusters(clusters: Clusters, data: tf.data.Dataset) -> Figure:
    """Draws typical images of each cluster, a row for each.

    Args:
        clusters: `Clusters`.
        data: the dataset that they were made of.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> repeated = train.concatenate(train)
        >>> clusters = transferability.cluster(backbone, repeated, num_clusters=2)
        >>> transferability.plot_clusters(clusters, repeated).savefig("clusters.png")
    """
    wanted = set(itertools.chain(*clusters.representatives))
    examples = source_of(unaugmented(data)).examples(0).take(max(wanted) + 1)
    images = {
        number: np.asarray(element[0] if isinstance(element, tuple) else element)
        for number, element in enumerate(examples)
        if number in wanted
    }
    number = clusters.num_clusters
    figure, panels = new_figure(number, _SHOWN, (1.4 * _SHOWN, 1.5 * number))
    sizes = np.bincount(clusters.labels, minlength=number)
    for panel in panels:
        panel.set_axis_off()
    for row, nearest in enumerate(clusters.representatives):
        for column, index in enumerate(nearest):
            pixels = np.clip(images[index], 0, 255).astype("uint8")
            panels[row * _SHOWN + column].imshow(pixels.squeeze(), cmap="gray")
        title = short_name(f"cluster {row + 1}: {sizes[row]} images")
        panels[row * _SHOWN].set_title(title, fontsize="small", loc="left")
    return figure


def _stability(rows, number, seed):
    """The mean agreement of clusterings of two halves, on all images."""
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng(seed)
    scores = []
    for _ in range(_TRIALS):
        halves = np.array_split(random.permutation(len(rows)), 2)
        first, second = (_means(rows[half], number, seed).predict(rows) for half in halves)
        scores.append(adjusted_rand_score(first, second))
    return float(np.mean(scores))


def _means(rows, number, seed):
    from sklearn.cluster import KMeans

    return KMeans(number, n_init=3, random_state=seed).fit(rows)
