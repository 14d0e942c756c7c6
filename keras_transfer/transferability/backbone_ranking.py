"""Which network to start from."""

import time

import numpy as np

from keras_transfer._statistics.feature_measures import h_score
from keras_transfer._statistics.linear_models import cross_validate
from keras_transfer.backbones import Backbone
from keras_transfer.features import FeatureCache
from keras_transfer.features.in_memory import in_memory
from keras_transfer.features.pooled import (
    features_and_labels,
    num_megabytes,
    pooled_features,
    pooled_network,
    unaugmented,
)
from keras_transfer.features.work import multiply_adds
from keras_transfer.transferability.candidate_score import CandidateScore
from keras_transfer.transferability.leep_scores import leep, nce
from keras_transfer.transferability.logme_scores import logme
from keras_transfer.transferability.ranking import Ranking


def rank_backbones(candidates, dataset, cache=None, source_classifiers=None, seed=0, verbose=0):
    """Scores backbones on a data set without training them, the best one first.

    Each network sees each picture once, and its features are kept: a later `fine_tune` with
    the same pictures finds them. They are ranked by the cross-validated accuracy of a linear
    probe; the other scores stand beside it.

    Args:
        candidates: names of networks in `keras.applications` (with their ImageNet weights, at
            the size of the pictures), `Backbone`s, or a dict of name to one of these.
        dataset: a `tf.data.Dataset` of batches `(images, labels)`.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        source_classifiers: a dict from the name of a candidate to the classifier that it was
            the backbone of, a functional `keras.Model` from pictures in [0, 255] to
            probabilities, for LEEP and NCE. Defaults to None.
        seed: of the probe's folds. Defaults to 0.
        verbose: 1 prints what is done, 0 nothing. Defaults to 0.

    Returns:
        A `Ranking`.

    Raises:
        ValueError: without candidates, with two of a name, or for data without one label each.
    """
    started = time.perf_counter()
    cache = FeatureCache() if cache is None else cache
    size = _image_shape(dataset)
    backbones = {name: _as_backbone(found, size) for name, found in _named(candidates).items()}
    classifiers = _check_classifiers(source_classifiers or {}, backbones)
    files = pictures = unaugmented(dataset)
    scores = []
    for name, backbone in backbones.items():
        pooled = pooled_features(backbone, pictures, cache, verbose)
        # At once: the cache still has the network ready.
        rate = cache.images_per_second(pooled_network(backbone), pictures)
        if pictures is files and pooled.num_computed and name != list(backbones)[-1]:
            pictures = in_memory(files)
        classifier = classifiers.get(name)
        answers = None if classifier is None else _answers(classifier, pictures, cache)
        scores.append(_score(name, backbone, pooled, answers, rate, seed))
        if verbose:
            print(f"{name}: {scores[-1].accuracy:.1%}")
    scores.sort(key=lambda score: score.accuracy, reverse=True)
    chance = np.bincount(pooled.labels).max() / len(pooled.labels)
    seconds = time.perf_counter() - started
    return Ranking(tuple(scores), len(pooled.labels), seconds, float(chance))


def _named(candidates):
    if isinstance(candidates, dict):
        named = list(candidates.items())
    else:
        found = [candidates] if isinstance(candidates, (str, Backbone)) else list(candidates)
        named = [(one if isinstance(one, str) else one.name, one) for one in found]
    if not named or len(dict(named)) < len(named):
        raise ValueError(
            "`candidates` must be at least one name or `Backbone`, each with another name; "
            f"a dict gives names. Received: {[name for name, _ in named]}"
        )
    return dict(named)


def _as_backbone(candidate, shape):
    if isinstance(candidate, Backbone):
        return candidate
    if isinstance(candidate, str):
        return Backbone(candidate, input_shape=shape)
    return Backbone.from_model(candidate)


def _check_classifiers(classifiers, backbones):
    for name in classifiers:
        if name not in backbones:
            raise ValueError(
                "`source_classifiers` must name candidates. "
                f"Received: {name!r}; the candidates are {sorted(backbones)}"
            )
    return classifiers


def _image_shape(dataset):
    spec = dataset.element_spec
    images = spec[0] if isinstance(spec, tuple) else spec
    return tuple(images.shape[1:])


def _answers(classifier, pictures, cache):
    """The classifier's probabilities and the labels of the same pictures."""
    return features_and_labels(cache.extract(classifier, pictures).arrays())


def _score(name, backbone, pooled, answers, rate, seed):
    if pooled.labels is None:
        raise ValueError(
            "To rank backbones needs labels. Received: a dataset of pictures without labels"
        )
    rows, labels = pooled.features, pooled.labels
    probe = cross_validate(rows, labels, seed=seed)
    return CandidateScore(
        name=name,
        accuracy=probe.accuracy,
        interval=probe.interval,
        logme=logme(rows, labels),
        h_score=h_score(rows, labels),
        # A shuffled dataset gave the classifier another order: these have their own labels.
        leep=None if answers is None else leep(*answers),
        nce=None if answers is None else nce(*answers),
        num_features=rows.shape[1],
        num_parameters=backbone.count_params(),
        megabytes=num_megabytes(backbone),
        multiply_adds=multiply_adds(backbone),
        images_per_second=rate,
    )
