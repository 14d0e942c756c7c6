"""`keras-transfer audit`."""

from keras_transfer import auditing
from keras_transfer._text import one_line, print_table
from keras_transfer.cli.findings import write_findings
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of, pictures_of
from keras_transfer.cli.output_folder import check_output


def run(options):
    """Looks for what is wrong with pictures, and writes the findings into the run folder."""
    if (options.metadata is None) is not (options.group is None):
        raise ValueError(
            "--metadata names a file and --group its column: give both or none. "
            f"Received: --metadata {options.metadata} --group {options.group}"
        )
    size = image_size_of(options)
    check_output(options.output, options.data)
    backbone = backbone_of(options, size)
    # Divided as `fit` divides them, whose features are then in the cache.
    splits = pictures_of(options, size)
    groups = None
    if options.metadata is not None:
        groups = auditing.groups_from_csv(options.metadata, options.group, splits, options.data)
    found = auditing.audit(
        splits,
        new=options.new,
        backbone=backbone,
        cache=cache_of(options),
        groups=groups,
    )
    rows = [(one.severity, one.kind, one_line(one.sentence)) for one in found.findings]
    print_table([("severity", "about", "finding"), *rows])
    paths = write_findings(
        options,
        "audit",
        found.to_json(),
        found.to_markdown(),
        lambda path: auditing.plot_audit(found, path),
    )
    print("\n" + ", ".join(one_line(str(path)) for path in paths))
