"""`keras-transfer audit`."""

import os

from keras_transfer import auditing
from keras_transfer._text import counted
from keras_transfer.cli.inputs import cache_of, next_command, read_inputs, show_findings


def run(options):
    """Looks for problems in the images, and writes the findings into the run folder."""
    backbone, splits = read_inputs(options)
    found = auditing.audit(
        splits,
        new=options.new,
        backbone=backbone,
        cache=cache_of(options),
        groups=splits.groups or None,
    )
    show_findings(
        options, found.rows(), _sentences(options, found), auditing.plot_audit(found),
        found.to_json(), found.to_markdown(),
    )  # fmt: skip


def _sentences(options, found):
    """What follows: a training without the images that can be left out."""
    num_errors = len(found.labels.errors)
    num_copies = sum(len(cluster) - 1 for cluster in found.duplicates.clusters)
    if not num_errors and not num_copies:
        return [next_command(options)]
    wrong = num_errors and f"{counted(num_errors, 'image')} with a label that is likely wrong"
    copies = num_copies and counted(num_copies, "copy", "copies")
    return [
        f"The next command leaves out {' and '.join(filter(None, (wrong, copies)))}.",
        next_command(options, exclude=os.path.join(options.output, "audit.json")),
    ]
