"""`keras-transfer backbones`."""

from keras_transfer._applications import APPLICATIONS, find_application
from keras_transfer._text import print_table

_CONVENTIONS = {
    "none": "in the network",
    "tf": "[-1, 1]",
    "caffe": "BGR, mean colour",
    "torch": "mean and deviation",
}


def run(options):
    """Prints the table of networks, or the source of the weights of one."""
    if options.name is not None:
        print_table([("name", options.name), *find_application(options.name).source.rows()])
        return
    rows = [("name", "pixels", "smallest", "preprocessing", "licence", "arguments")]
    for name in sorted(APPLICATIONS):
        row = APPLICATIONS[name]
        convention = _CONVENTIONS[row.preprocessing]
        size, smallest = str(row.default_size), str(row.min_size)
        rows.append(
            (
                name,
                size,
                smallest,
                convention,
                row.licence or "-",
                ", ".join(row.arguments) or "-",
            )
        )
    print_table(rows)
