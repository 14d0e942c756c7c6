"""Trains on a dataset of TensorFlow Datasets, which downloads it once.

python examples/from_tfds.py [NAME]      (NAME is `tf_flowers` by default)
"""

import sys

from keras_transfer import data, heads, models, training


def main(name="tf_flowers", backbone="MobileNetV2", image_size=224, plan=None):
    splits = data.from_tfds(name, image_size)
    counts = ", ".join(f"{count} for {split}" for split, count in splits.num_images.items())
    print(f"{len(splits.class_names)} classes; pictures: {counts}")

    # No flips: what may be turned round depends on the data.
    train = data.Augmentation(crop=0.7, brightness=0.1, contrast=0.1)(splits.train)
    model = models.TransferModel(backbone, heads.SoftmaxHead(len(splits.class_names)))
    history = training.fine_tune(model, train, splits.validation, plan=plan, verbose=2)

    held_out = splits.test or splits.validation
    accuracy = model.evaluate(held_out, verbose=0, return_dict=True)["accuracy"]
    print(f"accuracy {accuracy:.1%}, best epoch {history.best_epoch + 1}")
    return splits, history, accuracy


if __name__ == "__main__":
    main(*sys.argv[1:2])
