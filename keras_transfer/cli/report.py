"""`keras-transfer report`."""

from keras_transfer import reports


def run(options):
    """Writes the page of a finished run anew, with what was found since."""
    path = reports.write(options.run, options.output)
    print(path)
