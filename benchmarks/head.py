"""Thirty epochs of a head: on cached features, on the same arrays in Keras, on pictures."""

import tempfile

import keras
import numpy as np

from benchmarks import child, library_models, picture_folders, timing
from keras_transfer import data, freezing, plans, training

_LEARNING_RATE = 1e-3


def measure(data_set, network, image_size, epochs, rounds, limit=None):
    """Times the three in turn; the features are extracted before.

    Returns:
        Rows, see `child.main`. Each time includes making the train function.
    """
    with (
        picture_folders.opened(data_set, limit) as folder,
        tempfile.TemporaryDirectory() as directory,
    ):
        keras.utils.set_random_seed(0)
        splits = data.image_folder(folder.path, image_size=image_size)
        model = library_models.transfer_model(network, image_size, len(splits.class_names))
        cache = library_models.feature_cache(directory)
        # Fills the cache.
        _fine_tune(model, splits, cache, epochs=1)
        arrays = [
            _as_arrays(cache.extract(model, dataset))
            for dataset in (splits.train_in_order, splits.validation)
        ]
        contestants = {
            "fine_tune, cached": lambda: _fine_tune(model, splits, cache, epochs),
            "Keras, arrays": lambda: _fit_arrays(*arrays, len(splits.class_names), epochs),
            "pictures, 1 epoch": lambda: _fit_pictures(model, splits),
        }
        return timing.alternate(contestants, rounds)


def _fine_tune(model, splits, cache, epochs):
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs, _LEARNING_RATE)])
    training.fine_tune(
        model, splits.train, splits.validation, plan=plan, cache=cache, verbose=0
    )


def _as_arrays(dataset):
    batches = list(dataset.as_numpy_iterator())
    return tuple(np.concatenate(column) for column in zip(*batches, strict=True))


def _fit_arrays(train, validation, num_classes, epochs):
    model = keras.Sequential(
        [
            keras.Input(train[0].shape[1:]),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(num_classes, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.AdamW(_LEARNING_RATE, weight_decay=0.01),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(*train, batch_size=32, epochs=epochs, validation_data=validation, verbose=0)


def _fit_pictures(model, splits):
    model.compile(keras.optimizers.AdamW(_LEARNING_RATE, weight_decay=0.01))
    model.fit(splits.train, validation_data=splits.validation, epochs=1, verbose=0)


if __name__ == "__main__":
    child.main(measure)
