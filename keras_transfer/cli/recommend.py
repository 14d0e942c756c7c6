"""`keras-transfer recommend`."""

import os

from keras_transfer import plans, transferability
from keras_transfer.cli.inputs import cache_of, next_command, read_inputs, show_findings


def run(options):
    """Chooses what to train, and writes the plan and its reasons into the run folder."""
    backbone, splits = read_inputs(options)
    cache = cache_of(options)
    found = plans.recommend(splits.train, backbone, cache)
    sentences = [f"Recommended: {found.strategy}.", *found.reasons]
    sentences += [f"Warning: {warning}" for warning in found.warnings]
    sentences.append(
        "`keras-transfer probe` with the same arguments shows whether the last stages are "
        "useful here, or can be left out."
    )
    values = found.to_json()
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
