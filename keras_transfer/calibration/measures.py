"""How good a model is on labelled pictures."""

import numpy as np

from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer._text import one_line
from keras_transfer.calibration.class_measures import per_class


def measure(probabilities, labels, class_names):
    """Accuracy, loss, and each class's precision and recall, with 95% intervals.

    Args:
        probabilities: an array of shape `(pictures, classes)`.
        labels: the true classes, of shape `(pictures,)`.
        class_names: the names of the classes.

    Returns:
        A dict that can be written as JSON. Precision and its interval are None for a class
        that was never predicted, recall and its interval for one that never occurs.
    """
    labels = np.asarray(labels, int)
    found = per_class(labels, probabilities.argmax(axis=1), class_names)
    hits = sum(found.confusion[i][i] for i in range(len(class_names)))
    of_truth = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    return {
        "images": len(labels),
        "accuracy": float(hits / len(labels)),
        "accuracy_interval": list(wilson_interval(hits, len(labels))),
        "loss": float(-np.log(of_truth).mean()),
        **found.to_json(),
    }


def confusion_table(counts, class_names, widest=14):
    """A confusion matrix as text, a row for each true class.

    Args:
        counts: a square list of lists of counts.
        class_names: the names of the classes; long ones are cut.
        widest: the number of characters that a name keeps in its row.
    """
    names = [one_line(name) for name in class_names]
    names = [name if len(name) <= widest else f"{name[: widest - 1]}…" for name in names]
    width = max([len(str(count)) for row in counts for count in row] + [3]) + 1
    left = max([len(name) for name in names] + [len("true \\ predicted")])
    numbers = "".join(f"{i:>{width}}" for i in range(1, len(names) + 1))
    lines = [f"{'true / predicted':<{left}}    {numbers}"]
    for i, (name, row) in enumerate(zip(names, counts, strict=True), start=1):
        cells = "".join(f"{count or '.':>{width}}" for count in row)
        lines.append(f"{name:<{left}} {i:>3}{cells}")
    return "\n".join(lines)
