"""How many planted label errors are found, and how many of those told were planted."""

import numpy as np

from benchmarks import audited, child, library_models
from keras_transfer import auditing
from keras_transfer.auditing.audited_sets import features_in_order


def measure(row, data_set, network, image_size, share, seed=0, limit=None):
    """Gives a share of the training pictures the label of another class, drawn at random.

    The data sets have errors of their own, which count as false alarms here.
    """
    with audited.opened(data_set, image_size, limit) as splits, audited.cache() as cache:
        backbone = library_models.backbone(network, image_size)
        features = features_in_order(splits, "train", backbone, cache)
        labels, names = np.array(splits.labels["train"]), splits.class_names
    random = np.random.default_rng(seed)
    wrong = random.choice(len(labels), max(1, round(share * len(labels))), replace=False)
    labels[wrong] += random.integers(1, len(names), len(wrong))
    labels %= len(names)
    found = auditing.label_errors(features, labels, names)
    right = [error.index in set(wrong.tolist()) for error in found.errors]
    values = {
        "precision": float(np.mean(right)) if right else 0.0,
        "recall": sum(right) / len(wrong),
        "first": float(np.mean(right[: len(wrong)])) if right else 0.0,
        "probe_accuracy": float(np.mean(found.correct)),
    }
    return [{"row": row, "values": values}]


if __name__ == "__main__":
    child.main(measure)
