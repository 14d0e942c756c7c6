"""`keras-transfer rank`."""

import re

from keras_transfer import backbones, transferability
from keras_transfer.cli.findings import tell_table
from keras_transfer.cli.options import cache_of, pictures_of
from keras_transfer.cli.output_folder import check_output

_DEFAULT_SIZE = 160


def run(options):
    """Scores backbones on a folder of pictures, and writes the table into the run folder."""
    size = options.image_size or _DEFAULT_SIZE
    check_output(options.output, options.data)
    found = [_candidate(text, size) for text in options.backbones]
    splits = pictures_of(options, size)
    named = dict(zip(_names(options.backbones), found, strict=True))
    candidates = {name: backbone for name, (backbone, _) in named.items()}
    if options.random_twins:
        for name, (backbone, _) in named.items():
            candidates[f"{name} (random)"] = backbones.random_twin(backbone)
    ranking = transferability.rank_backbones(
        candidates,
        splits.train,
        cache_of(options),
        {name: classifier for name, (_, classifier) in named.items() if classifier is not None},
    )
    tell_table(
        options, "rank", ranking, _sentences(ranking),
        lambda path: transferability.plot_ranking(ranking, path),
    )  # fmt: skip


def _sentences(ranking):
    return [
        ranking.conclusion,
        "Expected accuracy is that of a linear probe, cross-validated: what a head reaches on "
        "the frozen network. Fine-tuning may add to it.",
        f"{ranking.seconds:.0f} s. A training with these pictures finds the features.",
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
        classifier = transferability.source_classifier(
            name, (size, size, 3), classifier, **alpha
        )
    return backbone, classifier


def _names(texts):
    """What the table calls them: the network and its width, or all where these are the same."""
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
