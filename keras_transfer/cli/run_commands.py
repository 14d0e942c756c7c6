"""`keras-transfer evaluate`, `predict`, `export` and `report`: the commands on a run."""

import json
import sys

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


def predict(options):
    """Prints a line for each image; returns 1 if one of them cannot be read."""
    found = runs.Run(options.run).predict(options.images)
    rows = zip(found.paths, found.probabilities, found.top(options.top), strict=True)
    for path, probabilities, best in rows:
        classes = [
            {
                "class_index": int(index),
                "label": found.class_names[index],
                "probability": float(probabilities[index]),
            }
            for index in best
        ]
        if options.json:
            print(json.dumps({"image": path, "classes": classes}, ensure_ascii=False))
        else:
            named = [f"{one_line(one['label'])} {one['probability']:.1%}" for one in classes]
            print("\t".join([one_line(path), *named]))
    for path, reason in found.unreadable:
        print(f"keras-transfer: error: {one_line(path)}: {one_line(reason)}", file=sys.stderr)
    return 1 if found.unreadable else 0


def export(options):
    """Exports the model of a run, and prints the path."""
    print(runs.Run(options.run).export(options.file or options.output))


def report(options):
    """Writes the page of a finished run again, and prints its path."""
    print(runs.Run(options.run).report(options.output))
