"""`keras-transfer report`."""

from keras_transfer import runs


def run(options):
    """Writes the page of a finished run anew, with what was found since."""
    path = runs.write(options.run, options.output)
    print(path)
