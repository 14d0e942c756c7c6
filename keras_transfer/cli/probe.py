"""`keras-transfer probe`."""

from keras_transfer import transferability
from keras_transfer.cli.inputs import cache_of, read_inputs, show_findings


def run(options):
    """Probes every stage of a backbone, and writes the table into the run folder."""
    backbone, splits = read_inputs(options)
    probes = transferability.probe_layers(backbone, splits.train, cache_of(options))
    show_findings(
        options, probes.rows(), [probes.conclusion], transferability.plot_probes(probes),
        probes.to_json(),
    )  # fmt: skip
