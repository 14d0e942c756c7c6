"""`keras-transfer rank`."""

import re

from keras_transfer import backbones, transferability
from keras_transfer.backbones.random_twins import random_twin
from keras_transfer.cli.inputs import (
    cache_of,
    check_images,
    next_command,
    read_images,
    show_findings,
)
from keras_transfer.transferability.rankings import source_classifier


def run(options):
    """Ranks backbones on a folder of images, and writes the table into the run folder."""
    check_images(options)
    found = [_candidate(text, options.image_size) for text in options.backbones]
    splits = read_images(options, options.image_size)
    named = dict(zip(_names(options.backbones), found, strict=True))
    candidates = {name: backbone for name, (backbone, _) in named.items()}
    if options.random_twins:
        for name, (backbone, _) in named.items():
            candidates[f"{name} (random)"] = random_twin(backbone)
    ranking = transferability.rank_backbones(
        candidates,
        splits.train,
        cache_of(options),
        {name: classifier for name, (_, classifier) in named.items() if classifier is not None},
    )
    show_findings(
        options, ranking.rows(), _sentences(ranking, options, named),
        transferability.plot_ranking(ranking), ranking.to_json(),
    )  # fmt: skip


def _sentences(ranking, options, named):
    best = next(score.name for score in ranking.scores if score.name in named)
    text = options.backbones[list(named).index(best)]
    name, *pairs = text.split(",")
    arguments = dict(pair.split("=", 1) for pair in pairs)
    arguments.pop("classifier", None)
    return [
        ranking.conclusion,
        "The expected accuracy is the cross-validated accuracy of a linear probe, that is of a "
        "head on the frozen network. Fine-tuning may improve it.",
        f"{ranking.seconds:.0f} s. A training on these images reuses the features.",
        next_command(options, backbone=name, **arguments),
    ]


def _candidate(text, size):
    """A `Backbone`, and its source classifier or None.

    The text is a network's name with options: `MobileNetV2,alpha=0.35,weights=FILE`.
    """
    name, *pairs = text.split(",")
    arguments = dict(_pair(text, pair) for pair in pairs)
    alpha = {"alpha": _number(text, arguments.pop("alpha"))} if "alpha" in arguments else {}
    weights = arguments.pop("weights", "imagenet")
    weights = None if weights.lower() == "none" else weights
    classifier = arguments.pop("classifier", None)
    if arguments:
        raise ValueError(
            "A backbone takes alpha, weights and classifier. "
            f"Received: {next(iter(arguments))!r} in {text!r}"
        )
    backbone = backbones.Backbone(name, (size, size, 3), weights, **alpha)
    if classifier is not None:
        classifier = source_classifier(name, (size, size, 3), classifier, **alpha)
    return backbone, classifier


def _names(texts):
    """The names in the table: network and width, or the whole text if these are not unique."""
    short = [re.sub(",alpha=", " ", text).split(",")[0] for text in texts]
    return texts if len(set(short)) < len(short) else short


def _pair(text, pair):
    key, equals, value = pair.partition("=")
    if not equals or not value:
        raise ValueError(
            "A backbone is written as NAME or NAME,alpha=0.35,weights=FILE. "
            f"Received: {pair!r} in {text!r}"
        )
    return key, value


def _number(text, value):
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"alpha must be a number. Received: {value!r} in {text!r}") from None
