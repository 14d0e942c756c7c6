"""`keras-transfer report`."""

from keras_transfer import runs


def run(options):
    """Writes the page of a finished run again, and prints its path."""
    print(runs.Run(options.run).report(options.output))
