"""Whole trainings: the recipe of the Keras guide, and the library's."""

import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import images, networks
from keras_transfer import data, features, plans, training
from keras_transfer.plans.chooser import phases_of


def guide(row, data_set, network, image_size, epochs, seed, limit=None):
    """Trains by the guide "Transfer learning & fine-tuning", in plain Keras.

    https://keras.io/guides/transfer_learning/: the base model frozen under a new head, then
    everything unfrozen at a hundredth of the rate. The clock starts before the images are read
    and stops when the model is trained.
    """
    with images.opened(data_set, limit) as folder:
        images.read_once(folder.path)
        keras.utils.set_random_seed(seed)
        started = time.perf_counter()
        train, validation = (
            _read(folder.splits[split], image_size, shuffle=split == "train")
            for split in ("train", "validation")
        )
        base, model = networks.plain_model(network, image_size, len(train.class_names))
        train = _augmented(train).prefetch(tf.data.AUTOTUNE)
        for base.trainable, rate in ((False, 1e-3), (True, 1e-5)):
            model.compile(
                keras.optimizers.Adam(rate),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )
            model.fit(train, validation_data=validation, epochs=epochs, verbose=0)
        values = {"seconds": time.perf_counter() - started}
        values["final_accuracy"] = _accuracy(model, validation)
        if "test" in folder.splits:
            test = _read(folder.splits["test"], image_size, shuffle=False)
            values["test_accuracy"] = _accuracy(model, test)
    return [{"row": row, "values": values}]


def _read(folder, image_size, shuffle):
    return keras.utils.image_dataset_from_directory(
        folder, image_size=(image_size,) * 2, batch_size=32, shuffle=shuffle, verbose=False
    )


def _augmented(dataset):
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]

    def augment(batch, labels):
        for layer in layers:
            batch = layer(batch, training=True)
        return batch, labels

    return dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)


def library(
    row, data_set, network, image_size, seed, limit=None, time_budget=None, strategy=None
):
    """Fine-tunes with a new cache; the clock runs as in `guide`.

    `time_budget` is in seconds. `strategy` is a fixed one, or "auto" for the recommended one.
    Defaults to None, the default plan.
    """
    with images.opened(data_set, limit) as folder:
        images.read_once(folder.path)
        keras.utils.set_random_seed(seed)
        started = time.perf_counter()
        splits = data.image_folder(folder.path, image_size=image_size)
        model = networks.transfer_model(network, image_size, len(splits.class_names))
        plan = None if strategy is None else _plan(strategy, model, splits)
        history = fine_tune(model, splits, plan=plan, time_budget=time_budget)
        values = {"seconds": time.perf_counter() - started, **accuracies(model, splits)}
        found = hits(model, splits.validation)
    plan = history.plan.to_json()
    return [{"row": row, "values": values, "validation_hits": found, "plan": plan}]


def _plan(strategy, model, splits):
    """The plan of a strategy, with two of the last stages if some are trained."""
    if strategy == "auto":
        return strategy
    num_stages, num_images = len(model.backbone.stages), splits.num_images["train"]
    stages = num_stages if strategy == "train everything" else 2
    phases = phases_of(strategy, stages, num_stages, num_images)
    return plans.Plan(phases, from_scratch=strategy == "train from scratch")


def fine_tune(model, splits, cache=None, **arguments):
    """Fine-tunes with the standard augmentation and, by default, an empty cache."""
    with tempfile.TemporaryDirectory() as directory:
        return training.fine_tune(
            model,
            data.augmentation.standard()(splits.train),
            splits.validation,
            cache=cache or features.FeatureCache(directory),
            verbose=0,
            **arguments,
        )


def accuracies(model, splits):
    """The accuracies on the validation set and, if there is one, on the test set."""
    values = {"final_accuracy": _accuracy(model, splits.validation)}
    if splits.test is not None:
        values["test_accuracy"] = _accuracy(model, splits.test)
    return values


def _accuracy(model, dataset):
    # Keras counts in float32: equal numbers of hits are to give equal accuracies.
    return round(model.evaluate(dataset, verbose=0, return_dict=True)["accuracy"], 6)


def hits(model, dataset):
    """A string with "1" for each image that is classified correctly and "0" for the others."""
    found = []
    for batch, labels in dataset:
        found.extend(model.predict_on_batch(batch).argmax(axis=-1) == np.ravel(labels))
    return "".join("1" if hit else "0" for hit in found)
