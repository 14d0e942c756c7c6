"""`keras-transfer evaluate`, `export` and `report`: commands on a run."""

from keras_transfer import runs


def evaluate(options):
    """Prints the measures of the model on labelled images."""
    opened = runs.Run(options.run)
    found = opened.evaluate(
        options.data,
        options.batch_size,
        options.on_unreadable,
        options.labels,
        options.masks,
        options.boxes,
    )
    print(opened.task.evaluation(found, opened.class_names))


def export(options):
    """Exports the model of a run, and prints the path."""
    print(runs.Run(options.run).export(options.file or options.output))


def report(options):
    """Writes the page of a finished run again, and prints its path."""
    print(runs.Run(options.run).report(options.output))
