"""Backbones ranked by the accuracy that a head is expected to reach on them."""

import dataclasses
import time
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._applications import find_application
from keras_transfer._statistics.feature_measures import h_score
from keras_transfer.backbones import Backbone
from keras_transfer.backbones.weights import load_weights
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import (
    features_and_labels,
    num_megabytes,
    pooled_features,
    pooled_network,
    unaugmented,
)
from keras_transfer.models.checks import as_backbone
from keras_transfer.transferability.scores import leep, logme, nce

_HEADER = (
    "rank", "backbone", "expected accuracy", "95% CI", "LogME", "H-score", "LEEP", "NCE",
    "parameters", "size", "images/s", "Pareto-optimal",
)  # fmt: skip
# The columns that need the predictions of a source classifier.
_OF_SOURCE = ("LEEP", "NCE")


@dataclasses.dataclass(frozen=True)
class CandidateScore:
    """The scores and the costs of a backbone on a data set.

    Attributes:
        name: the name of the candidate.
        accuracy: cross-validated accuracy of a linear probe on its features.
        interval: `(low, high)`, the 95% confidence interval of that accuracy.
        logme: see `logme`.
        h_score: see `h_score`, with shrinkage.
        leep: see `leep`; None without a source classifier.
        nce: see `nce`; None without a source classifier.
        num_parameters: of the backbone.
        megabytes: the size of its weights, in 10**6 bytes.
        images_per_second: the rate of inference on this machine.
    """

    name: str
    accuracy: float
    interval: tuple
    logme: float
    h_score: float
    leep: float | None
    nce: float | None
    num_parameters: int
    megabytes: float
    images_per_second: float


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Backbones in the order of the accuracy that a head is expected to reach on them.

    Attributes:
        scores: tuple of `CandidateScore`, the most accurate first.
        num_images: the number of images that they were scored on.
        seconds: the duration.
        chance: the accuracy of always predicting the largest class.
    """

    scores: tuple
    num_images: int
    seconds: float
    chance: float

    @property
    def ranks(self):
        """For each candidate, 1 + the number of those whose interval lies above its own."""
        return tuple(
            1 + sum(other.interval[0] > score.interval[1] for other in self.scores)
            for score in self.scores
        )

    @property
    def ties(self):
        """The names of the candidates of rank 1."""
        return tuple(
            score.name for score, rank in zip(self.scores, self.ranks, strict=True) if rank == 1
        )

    @property
    def pareto_front(self):
        """The names of the candidates that no other one beats in both accuracy and speed."""
        places = {one.name: (one.accuracy, one.images_per_second) for one in self.scores}
        return tuple(
            name
            for name, (accuracy, rate) in places.items()
            if not any(
                a >= accuracy and b >= rate and (a, b) != (accuracy, rate)
                for a, b in places.values()
            )
        )

    @property
    def conclusion(self):
        """Which backbone to choose, in a sentence."""
        best, number = self.scores[0], f"(n = {self.num_images})"
        if best.interval[0] <= self.chance:
            return (
                "No backbone is significantly better than always predicting the largest class, "
                f"which has an accuracy of {self.chance:.1%} {number}."
            )
        if len(self.ties) > 1:
            return f"{' and '.join(self.ties)} do not differ significantly {number}."
        if len(self.scores) > 1:
            return f"{best.name} is significantly better than the others {number}."
        low, high = best.interval
        return f"{best.name}: expected accuracy of {low:.1%} to {high:.1%} {number}."

    def to_json(self):
        """The ranking as a dict."""
        return {
            "num_images": self.num_images,
            "seconds": self.seconds,
            "chance": self.chance,
            "conclusion": self.conclusion,
            "ties": list(self.ties),
            "pareto_front": list(self.pareto_front),
            "candidates": [
                {"rank": rank, **dataclasses.asdict(score)}
                for score, rank in zip(self.scores, self.ranks, strict=True)
            ],
        }

    def rows(self):
        """The table as a list of tuples of strings, the header first."""
        front = self.pareto_front
        pairs = zip(self.scores, self.ranks, strict=True)
        rows = [_HEADER, *(_row(score, rank, score.name in front) for score, rank in pairs)]
        if any(score.leep is not None for score in self.scores):
            return rows
        kept = [place for place, name in enumerate(_HEADER) if name not in _OF_SOURCE]
        return [tuple(row[place] for place in kept) for row in rows]


def rank_backbones(
    candidates: str | Backbone | Iterable[str | Backbone] | dict,
    dataset: tf.data.Dataset,
    cache: FeatureCache | None = None,
    source_classifiers: dict[str, keras.Model] | None = None,
    seed: int = 0,
) -> Ranking:
    """Ranks backbones for a data set by linear probes, without training them.

    Each backbone computes the features of each image once. They stay in the cache, where a
    later `fine_tune` on the same images finds them. The rank follows from the cross-validated
    accuracy of a linear probe; LogME, H-score, LEEP and NCE are reported beside it.

    Args:
        candidates: names of networks in `keras.applications` (with ImageNet weights, at the
            size of the images), `Backbone`s or other models, or a dict from names to these.
        dataset: a `tf.data.Dataset` of batches `(images, labels)`, as in `probe_layers`.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        source_classifiers: a dict from the name of a candidate to the classifier that its
            weights come from, a functional `keras.Model` from images in [0, 255] to
            probabilities; LEEP and NCE need it. Defaults to None.
        seed: of the folds. Defaults to 0.

    Returns:
        A `Ranking`.

    Raises:
        ValueError: if there are no candidates, two of them have the same name, or the images
            do not have one label each.

    Example:
        >>> ranking = transferability.rank_backbones({"small": backbone}, train)
        >>> ranking.scores[0].name, ranking.ranks
        ('small', (1,))
    """
    started = time.perf_counter()
    cache = FeatureCache() if cache is None else cache
    spec = dataset.element_spec
    shape = tuple((spec[0] if isinstance(spec, tuple) else spec).shape[1:])
    backbones = {name: _as_backbone(found, shape) for name, found in _named(candidates).items()}
    classifiers = source_classifiers or {}
    for name in classifiers:
        if name not in backbones:
            raise ValueError(
                "The keys of `source_classifiers` must be names of candidates. "
                f"Received: {name!r}; the candidates are {sorted(backbones)}"
            )
    images, scores = unaugmented(dataset), []
    with cache.decoded.kept():
        for name, backbone in _progress.each(backbones.items(), "ranking networks"):
            pooled = pooled_features(backbone, images, cache)
            # The cache still holds the compiled network.
            rate = cache.images_per_second(pooled_network(backbone), images)
            # A shuffled dataset has another order in each pass: predictions come with labels.
            predictions = None
            if name in classifiers:
                extracted = cache.extract(classifiers[name], images)
                predictions = features_and_labels(extracted.arrays())
            scores.append(_score(name, backbone, pooled, predictions, rate, seed))
    scores.sort(key=lambda score: score.accuracy, reverse=True)
    chance = np.bincount(pooled.labels).max() / len(pooled.labels)
    seconds = time.perf_counter() - started
    return Ranking(tuple(scores), len(pooled.labels), seconds, float(chance))


def source_classifier(application, input_shape, weights, **arguments):
    """A network of `keras.applications` from images in [0, 255] to ImageNet probabilities."""
    row = find_application(application)
    network = row.function(include_top=True, weights=None, input_shape=input_shape, **arguments)
    load_weights(network, weights)
    return Backbone.from_model(network, row.preprocessing)


def _named(candidates):
    if isinstance(candidates, dict):
        named = list(candidates.items())
    else:
        found = [candidates] if isinstance(candidates, (str, keras.Model)) else list(candidates)
        named = [(one if isinstance(one, str) else one.name, one) for one in found]
    if not named or len(dict(named)) < len(named):
        raise ValueError(
            "`candidates` must be at least one name or network, and names must differ; a "
            f"dict assigns names. Received: {[name for name, _ in named]}"
        )
    return dict(named)


def _as_backbone(candidate, shape):
    if isinstance(candidate, str):
        return Backbone(candidate, input_shape=shape)
    return as_backbone(candidate)


def _score(name, backbone, pooled, predictions, rate, seed):
    if pooled.labels is None:
        raise ValueError("`rank_backbones` needs labels. Received: a dataset without labels")
    rows, labels = pooled.features, pooled.labels
    probe = pooled.cross_validate(seed=seed)
    return CandidateScore(
        name=name,
        accuracy=probe.accuracy,
        interval=probe.interval,
        logme=logme(rows, labels),
        h_score=h_score(rows, labels),
        leep=leep(*predictions) if predictions else None,
        nce=nce(*predictions) if predictions else None,
        num_parameters=backbone.count_params(),
        megabytes=num_megabytes(backbone),
        images_per_second=rate,
    )


def _row(score, rank, is_on_front):
    low, high = score.interval
    return (
        str(rank), score.name, f"{score.accuracy:.1%}", f"{low:.1%} to {high:.1%}",
        f"{score.logme:.3f}", f"{score.h_score:.3f}",
        *("-" if value is None else f"{value:.3f}" for value in (score.leep, score.nce)),
        f"{score.num_parameters:,}", f"{score.megabytes:.1f} MB",
        f"{score.images_per_second:.0f}", "yes" if is_on_front else "",
    )  # fmt: skip
