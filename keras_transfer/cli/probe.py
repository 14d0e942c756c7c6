"""`keras-transfer probe`."""

from keras_transfer import transferability
from keras_transfer.cli.findings import tell_table
from keras_transfer.cli.options import backbone_of, cache_of, image_size_of, pictures_of
from keras_transfer.cli.output_folder import check_output


def run(options):
    """Probes every stage of a backbone, and writes the table into the run folder."""
    size = image_size_of(options)
    check_output(options.output, options.data)
    backbone, splits = backbone_of(options, size), pictures_of(options, size)
    probes = transferability.probe_layers(backbone, splits.train, cache_of(options))
    tell_table(
        options, "probe", probes, [probes.conclusion],
        lambda path: transferability.plot_probes(probes, path),
    )  # fmt: skip
