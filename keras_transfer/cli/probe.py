"""`keras-transfer probe`."""

from keras_transfer import transferability
from keras_transfer.cli.inputs import cache_of, next_command, read_inputs, show_findings


def run(options):
    """Probes every stage of a backbone, and writes the table into the run folder."""
    backbone, splits = read_inputs(options)
    probes = transferability.probe_layers(backbone, splits.train, cache_of(options))
    cut = probes.freeze_point if probes.dead_stages else None
    show_findings(
        options, probes.rows(), [probes.conclusion, next_command(options, truncate_at=cut)],
        transferability.plot_probes(probes), probes.to_json(),
    )  # fmt: skip
