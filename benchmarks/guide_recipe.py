"""The recipe of the Keras guide "Transfer learning & fine-tuning", in plain Keras.

https://keras.io/guides/transfer_learning/: the base model frozen under a new head, then
everything unfrozen at a hundredth of the rate.
"""

import dataclasses
import time

import keras
import tensorflow as tf

from benchmarks import child, picture_folders, plain_keras


@dataclasses.dataclass(frozen=True)
class Input:
    """What becomes of the training pictures after decoding.

    Attributes:
        augmented: whether they are mirrored and turned at random.
        cached: whether they stay in memory after the first epoch. The guide's end-to-end
            example caches after augmenting, so that it trains on one draw for each picture.
    """

    augmented: bool
    cached: bool


INPUTS = {
    "guide": Input(augmented=True, cached=False),
    "guide_cached": Input(augmented=False, cached=True),
    "guide_augmented_once": Input(augmented=True, cached=True),
}


def measure(row, data_set, network, image_size, epochs, seed, limit=None):
    """Trains by the recipe; see `child.main` for what is returned.

    The clock starts before the pictures are read and stops when the model is trained.
    """
    with picture_folders.opened(data_set, limit) as folder:
        picture_folders.read_once(folder.path)
        keras.utils.set_random_seed(seed)
        clock = [time.perf_counter()]
        train, validation, num_classes = _read(folder, image_size, INPUTS[row])
        base = plain_keras.base_model(network, image_size)
        base.trainable = False
        model = plain_keras.classifier(base, num_classes)
        accuracies = _fit(model, 1e-3, train, validation, epochs)
        clock.append(time.perf_counter())
        base.trainable = True
        accuracies += _fit(model, 1e-5, train, validation, epochs)
        clock.append(time.perf_counter())
        values = {
            "seconds": clock[2] - clock[0],
            "seconds_frozen": clock[1] - clock[0],
            "seconds_unfrozen": clock[2] - clock[1],
            "frozen_accuracy": accuracies[epochs - 1],
            "last_accuracy": accuracies[-1],
            "best_accuracy": max(accuracies),
            "final_accuracy": _accuracy(model, validation),
        }
        if "test" in folder.splits:
            values["test_accuracy"] = _accuracy(
                model, _pictures(folder.splits["test"], image_size, shuffle=False)
            )
    return [{"row": row, "values": values, "validation_accuracies": accuracies}]


def _read(folder, image_size, chosen):
    train = _pictures(folder.splits["train"], image_size, shuffle=True)
    validation = _pictures(folder.splits["validation"], image_size, shuffle=False)
    num_classes = len(train.class_names)
    if chosen.augmented:
        train = _augmented(train)
    if chosen.cached:
        train, validation = train.cache(), validation.cache()
    train, validation = (part.prefetch(tf.data.AUTOTUNE) for part in (train, validation))
    return train, validation, num_classes


def _pictures(folder, image_size, shuffle):
    return keras.utils.image_dataset_from_directory(
        folder,
        image_size=(image_size, image_size),
        batch_size=32,
        shuffle=shuffle,
        verbose=False,
    )


def _augmented(dataset):
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]

    def augment(images, labels):
        for layer in layers:
            images = layer(images, training=True)
        return images, labels

    return dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)


def _fit(model, learning_rate, train, validation, epochs):
    plain_keras.compile_classifier(model, keras.optimizers.Adam(learning_rate))
    history = model.fit(train, validation_data=validation, epochs=epochs, verbose=0)
    return history.history["val_accuracy"]


def _accuracy(model, dataset):
    accuracy = model.evaluate(dataset, verbose=0, return_dict=True)["accuracy"]
    # Keras counts in float32: equal numbers of hits are to give equal accuracies.
    return round(accuracy, 6)


if __name__ == "__main__":
    child.main(measure)
