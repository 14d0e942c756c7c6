"""Several labels, or numbers, for each image: from a CSV file to their measures.

TABLE has a column with the paths of the images and a column of targets: labels such as
`red;large`, or numbers; or a column with 0 or 1 for each label. The command line does the same,
and more: `keras-transfer fit TABLE`.

    python examples/labels_from_csv.py TABLE
"""

import sys

import numpy as np

from keras_transfer import calibration, data, heads, models, training


def main(table, backbone="MobileNetV2", image_size=224, plan=None):
    splits = data.image_table(table, image_size)
    names, train = splits.class_names, np.array(splits.labels["train"])
    is_numbers = splits.task == "numbers"
    head = heads.DenseHead(len(names)) if is_numbers else heads.SigmoidHead(len(names))
    model = models.TransferModel(backbone, head)
    training.fine_tune(model, splits.train, splits.validation, plan=plan, verbose=0)
    outputs = model.predict(splits.validation, verbose=0)
    true = splits.labels["validation"]
    if is_numbers:
        found = calibration.per_number(true, outputs, names, train.mean(axis=0))
    else:
        found = calibration.per_label(true, outputs, names)
    for row in found.rows():
        print("  ".join(f"{cell:>17}" for cell in row))
    return found


if __name__ == "__main__":
    main(sys.argv[1])
