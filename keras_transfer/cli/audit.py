"""`keras-transfer audit`."""

from keras_transfer import auditing
from keras_transfer.cli.inputs import cache_of, next_command, read_inputs, show_findings


def run(options):
    """Looks for problems in the images, and writes the findings into the run folder."""
    if (options.metadata is None) is not (options.group is None):
        raise ValueError(
            "--metadata names a file and --group its column: give both or none. "
            f"Received: --metadata {options.metadata} --group {options.group}"
        )
    backbone, splits = read_inputs(options)
    groups = None
    if options.metadata is not None:
        groups = auditing.groups_from_csv(options.metadata, options.group, splits, options.data)
    found = auditing.audit(
        splits, new=options.new, backbone=backbone, cache=cache_of(options), groups=groups
    )
    show_findings(
        options, found.rows(), [next_command(options)], auditing.plot_audit(found),
        found.to_json(), found.to_markdown(),
    )  # fmt: skip
