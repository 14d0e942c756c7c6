"""Where general features end and special ones begin."""

import dataclasses
import itertools
import math

from keras_transfer._statistics.feature_measures import linear_cka
from keras_transfer._statistics.linear_models import cross_validate
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import (
    num_megabytes,
    pooled_network,
    stage_features,
    unaugmented,
)
from keras_transfer.transferability.intrinsic_dimensions import intrinsic_dimension
from keras_transfer.transferability.layer_probes import LayerProbes, StageProbe
from keras_transfer.transferability.logme_scores import logme
from keras_transfer.transferability.truncation import Truncation


def probe_layers(backbone, dataset, cache=None, seed=0, verbose=0):
    """Probes the features at the end of every stage, from one pass over the pictures.

    Args:
        backbone: a `Backbone`.
        dataset: a `tf.data.Dataset` of batches `(images, labels)`.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        seed: of the probes' folds, which are the same for all stages. Defaults to 0.
        verbose: 1 prints what is done, 0 nothing. Defaults to 0.

    Returns:
        `LayerProbes`, whose `freeze_point` says where to cut.

    Raises:
        ValueError: for data without one label each.

    Reference: Alain and Bengio, Understanding intermediate layers using linear classifier
    probes, 2016; Yosinski et al., How transferable are features in deep neural networks?,
    NeurIPS 2014.
    """
    cache = FeatureCache() if cache is None else cache
    found = stage_features(backbone, dataset, cache, verbose)
    if found[0].labels is None:
        raise ValueError(
            "To probe layers needs labels. Received: a dataset of pictures without labels"
        )
    ckas = [linear_cka(a.features, b.features) for a, b in itertools.pairwise(found)]
    counts = itertools.accumulate(_num_parameters(backbone))
    probes = []
    for stage, part, cka, count in zip(
        backbone.stages, found, [*ckas, None], counts, strict=True
    ):
        probe = cross_validate(part.features, part.labels, seed=seed)
        probes.append(
            StageProbe(
                stage=stage.name,
                boundary=stage.boundary,
                accuracy=probe.accuracy,
                interval=probe.interval,
                correct=probe.correct,
                logme=logme(part.features, part.labels),
                dimension=intrinsic_dimension(part.features),
                num_features=part.features.shape[1],
                cka_to_next=cka,
                num_parameters=count,
            )
        )
        if verbose:
            print(f"{stage.name}: {probe.accuracy:.1%}")
    found = LayerProbes(tuple(probes), len(found[0].features), backbone.name)
    if not found.dead_stages:
        return found
    return dataclasses.replace(
        found, truncation=_measured(backbone, found.freeze_point, dataset, cache)
    )


def _measured(backbone, boundary, dataset, cache):
    networks = [backbone, backbone.truncated(boundary)]
    pictures = unaugmented(dataset)
    rates = [cache.images_per_second(pooled_network(each), pictures) for each in networks]
    return Truncation(boundary, tuple(rates), tuple(map(num_megabytes, networks)))


def _num_parameters(backbone):
    """The parameters of each stage."""
    layers = {layer.name: layer for layer in backbone.layers}
    for stage in backbone.stages:
        weights = [w for name in stage.layers if name in layers for w in layers[name].weights]
        yield sum(math.prod(weight.shape) for weight in weights)
