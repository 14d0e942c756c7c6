"""Frozen work once: features on disk, and several heads tried on them in seconds.

python examples/cached_features.py DATA      (DATA holds a folder of pictures a class)
"""

import sys
import time

from keras_transfer import data, features, heads, models


def main(folder, backbone="MobileNetV2", image_size=224, cache="feature-cache", epochs=20):
    splits = data.image_folder(folder, image_size)
    num_classes = len(splits.class_names)
    model = models.TransferModel(backbone, heads.SoftmaxHead(num_classes))
    store = features.FeatureCache(cache)
    # The first run computes them; every later one, with any of these heads, reads them.
    train = store.extract(model, splits.train, verbose=1)
    validation = store.extract(model, splits.validation, verbose=1)
    accuracies = {}
    for dropout in (0.0, 0.2, 0.5):
        started = time.perf_counter()
        trial = models.TransferModel(
            model.backbone.copy(), heads.SoftmaxHead(num_classes, dropout=dropout)
        )
        trial.compile(steps_per_execution=len(train))
        trial.fit(train.as_inputs(), epochs=epochs, verbose=0)
        logs = trial.evaluate(validation.as_inputs(), return_dict=True, verbose=0)
        accuracies[dropout] = logs["accuracy"]
        seconds = time.perf_counter() - started
        print(f"dropout {dropout}: accuracy {logs['accuracy']:.1%} in {seconds:.1f} s")
    return accuracies


if __name__ == "__main__":
    main(sys.argv[1])
