"""`keras-transfer probe`."""

from keras_transfer import selection
from keras_transfer.cli.findings import tell_table
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of, pictures_of


def run(options):
    """Probes every stage of a backbone, and writes the table into the run folder."""
    size = image_size_of(options)
    splits = pictures_of(options, size)
    backbone = backbone_of(options, size)
    probes = selection.probe_layers(backbone, splits.train, cache_of(options))
    tell_table(
        options.output, "probe", probes, [probes.conclusion],
        lambda path: selection.plot_probes(probes, path),
    )  # fmt: skip
