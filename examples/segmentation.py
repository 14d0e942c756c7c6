"""A class for each pixel: from images with masks to the measures of each class.

FOLDER has `train`, `val` and `test`, each with `images` and `masks`: PNG files of class
indices. CLASSES is a text file with the name of a class in each line. The command line does the
same, and more: `keras-transfer fit FOLDER --masks masks --classes CLASSES`.

    python examples/segmentation.py FOLDER CLASSES
"""

import sys

import numpy as np

from keras_transfer import calibration, data, heads, models, training


def main(folder, classes, backbone="MobileNetV2", image_size=224, ignore_class=255, plan=None):
    splits = data.mask_folder(folder, "masks", image_size, classes, ignore_class)
    number = len(splits.class_names)
    head = heads.SegmentationHead(number, ignore_class=ignore_class)
    model = models.TransferModel(backbone, head)
    train = data.augmentation.standard()(splits.train)
    training.fine_tune(model, train, splits.validation, plan=plan, verbose=0)

    confusions = []
    for images, masks in splits.test:
        predicted = model.predict_on_batch(images).argmax(axis=-1)
        for true, found in zip(masks.numpy(), predicted, strict=True):
            pairs = (
                number * true[true != ignore_class].astype(int) + found[true != ignore_class]
            )
            counts = np.bincount(pairs, minlength=number**2)
            confusions.append(counts.reshape(number, number))
    measured = calibration.per_pixel(np.stack(confusions), splits.class_names)
    for row in measured.rows():
        print("  ".join(f"{cell:>16}" for cell in row))
    print(measured.conclusion)
    return measured


if __name__ == "__main__":
    main(*sys.argv[1:3])
