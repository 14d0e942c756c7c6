"""How good a model is on labelled pictures."""

import numpy as np

from keras_transfer.messages import one_line


def confusion_matrix(labels, predicted, num_classes):
    """Counts of pictures, a row for each true class, a column for each predicted one."""
    counts = np.zeros((num_classes, num_classes), dtype=int)
    np.add.at(counts, (np.asarray(labels, int), np.asarray(predicted, int)), 1)
    return counts


def measure(probabilities, labels, class_names):
    """Accuracy, loss, and each class's precision and recall.

    Args:
        probabilities: an array of shape `(pictures, classes)`.
        labels: the true classes, of shape `(pictures,)`.
        class_names: the names of the classes.

    Returns:
        A dict that can be written as JSON. Precision is None for a class that was never
        predicted, recall for one that never occurs.
    """
    labels = np.asarray(labels, int)
    counts = confusion_matrix(labels, probabilities.argmax(axis=1), len(class_names))
    hits = counts.diagonal()
    of_truth = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    return {
        "images": len(labels),
        "accuracy": float(hits.sum() / len(labels)),
        "loss": float(-np.log(of_truth).mean()),
        "classes": {
            name: {
                "images": int(counts[i].sum()),
                "precision": _ratio(hits[i], counts[:, i].sum()),
                "recall": _ratio(hits[i], counts[i].sum()),
            }
            for i, name in enumerate(class_names)
        },
        "confusion": counts.tolist(),
    }


def _ratio(part, whole):
    return float(part / whole) if whole else None


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
