"""`keras-transfer export`."""

from keras_transfer import runs


def run(options):
    """Exports the model of a run, and prints the path."""
    print(runs.Run(options.run).export(options.file or options.output))
