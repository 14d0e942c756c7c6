"""`keras-transfer recommend`."""

import os

from keras_transfer import plans, transferability
from keras_transfer.cli.inputs import (
    cache_of,
    next_command,
    read_inputs,
    show_findings,
    weights_of,
)
from keras_transfer.runs.job import augmented


def run(options):
    """Chooses what to train, and writes the plan and its reasons into the run folder."""
    backbone, splits = read_inputs(options)
    cache = cache_of(options)
    train = augmented(splits.train, options.augmentation, seed=0)
    found = plans.recommend(train, backbone, cache)
    sentences = [f"Recommended: {found.strategy}.", *found.reasons]
    sentences += [f"Warning: {warning}" for warning in found.warnings]
    values = {**found.to_json(), "settings": _settings(options, backbone)}
    if options.settle:
        try:
            settled = transferability.check_negative_transfer(
                splits.train, backbone, cache=cache
            )
        except ValueError as error:
            sentences.append(f"The experiment was not possible: {error}")
        else:
            sentences.append(settled.conclusion)
            values["negative_transfer"] = settled.to_json()
    path = os.path.join(options.output, "recommend.json")
    sentences.append(next_command(options, plan=path))
    show_findings(options, found.rows(), sentences, plans.plot_recommendation(found), values)


def _settings(options, backbone):
    """What the recommendation depends on, as in the settings of a run."""
    return {
        "data": os.path.abspath(options.data),
        "backbone": options.backbone,
        "alpha": options.alpha,
        "weights": weights_of(options),
        "image_size": list(backbone.input_shape[1:3]),
        "augmentation": options.augmentation,
        "labels": None if options.labels is None else os.path.abspath(options.labels),
        "images": options.images,
        "targets": options.targets,
        "given_task": options.task,
        "group": options.group,
        "exclude": None if options.exclude is None else os.path.abspath(options.exclude),
        "value_range": options.value_range,
    }
