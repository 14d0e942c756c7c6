"""Boxes around objects: from annotated images to their average precision and their counts.

FILE is a COCO JSON file about the images in FOLDER. The command line does the same, and more:
`keras-transfer fit FOLDER --boxes FILE`.

    python examples/detection.py FOLDER FILE
"""

import sys

import numpy as np
import tensorflow as tf

from keras_transfer import calibration, data, heads, models, training


def main(folder, file, backbone="MobileNetV2", image_size=320, plan=None):
    splits = data.boxes(file, image_size, format="coco", images=folder)
    model = models.TransferModel(backbone, heads.CenterHead(len(splits.class_names)))
    # Objects that have no upside: cells, seeds, fruits.
    augmentation = data.Augmentation(flip="horizontal_and_vertical", crop=0.6)
    train = augmentation(splits.train)
    training.fine_tune(model, train, splits.validation, plan=plan, verbose=0)

    predicted, true = [], []
    for images, boxes in splits.validation:
        found, scores, classes, _ = model.heads.decode(model.predict_on_batch(images))
        kinds = tf.where(scores > 0, tf.cast(classes, "float32"), -1.0)
        predicted.append(tf.concat([found, scores[..., None], kinds[..., None]], axis=-1))
        true.append(boxes)
    measured = calibration.per_box(
        np.concatenate(predicted), np.concatenate(true), splits.class_names
    )
    for row in measured.rows():
        print("  ".join(f"{cell:>18}" for cell in row))
    print(measured.conclusion)
    return measured


if __name__ == "__main__":
    main(*sys.argv[1:3])
