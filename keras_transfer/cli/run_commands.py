"""`keras-transfer evaluate`, `export` and `report`: commands on a run."""

from keras_transfer import runs
from keras_transfer._text import one_line, print_table
from keras_transfer.calibration.measures import confusion_table


def evaluate(options):
    """Prints the accuracy, precision and recall per class, and the confusion matrix."""
    opened = runs.Run(options.run)
    found = opened.evaluate(options.data, options.batch_size, options.on_unreadable)
    print(
        f"accuracy {found['accuracy']:.1%} (95% CI {found['accuracy_interval'][0]:.1%} to "
        f"{found['accuracy_interval'][1]:.1%}, n = {found['images']}), loss {found['loss']:.3f}"
        "\n"
    )
    rows = [("class", "images", "precision", "recall")]
    for name, values in found["classes"].items():
        precision, recall = (_percent(values[key]) for key in ("precision", "recall"))
        rows.append((one_line(name), str(values["images"]), precision, recall))
    print_table(rows)
    print("\n" + confusion_table(found["confusion"], opened.class_names))


def _percent(value):
    return "-" if value is None else f"{value:.1%}"


def export(options):
    """Exports the model of a run, and prints the path."""
    print(runs.Run(options.run).export(options.file or options.output))


def report(options):
    """Writes the page of a finished run again, and prints its path."""
    print(runs.Run(options.run).report(options.output))
