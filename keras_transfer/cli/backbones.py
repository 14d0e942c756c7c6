"""`keras-transfer backbones`."""

from keras_transfer._applications import APPLICATIONS
from keras_transfer._text import print_table

_CONVENTIONS = {
    "none": "in the network",
    "tf": "[-1, 1]",
    "caffe": "BGR, mean colour",
    "torch": "mean and deviation",
}


def run(options):
    """Prints the table of networks."""
    rows = [("name", "pixels", "smallest", "preprocessing", "arguments")]
    for name in sorted(APPLICATIONS):
        row = APPLICATIONS[name]
        convention = _CONVENTIONS[row.preprocessing]
        size, smallest = str(row.default_size), str(row.min_size)
        rows.append((name, size, smallest, convention, ", ".join(row.arguments) or "-"))
    print_table(rows)
