"""Trains a small model on this process' devices, and writes down all there is to compare."""

import json
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import callbacks, freezing, heads, models, optimizers
from keras_transfer.data.image_files import read_images
from tests.distribution.devices import divide_cpu
from tests.networks import residual_backbone

# The last batch has four: TensorFlow's convolutions on a CPU fail where a replica gets none.
NUM_IMAGES, BATCH_SIZE, SIZE = 28, 8, 16


def main(folder, devices, pictures=None):
    divide_cpu(int(devices))
    strategy = strategy_of(int(devices))
    images, labels = _pictures(pictures)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH_SIZE)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = models.TransferModel(
            residual_backbone("tf"), heads.SoftmaxHead(3), freezing.UnfreezeLast(1)
        )
        optimizer = optimizers.LearningRateMultiplier(
            keras.optimizers.SGD(0.05, momentum=0.9),
            optimizers.layerwise_decay(model, decay=0.5),
        )
        model.compile(optimizer)
    history = model.fit(
        dataset,
        validation_data=dataset,
        epochs=4,
        class_weight={0: 1.0, 1: 2.0, 2: 0.5},
        callbacks=[
            callbacks.GradualUnfreezing({2: freezing.UnfreezeLast(2)}),
            keras.callbacks.EarlyStopping("val_loss", patience=3),
        ],
        verbose=0,
    )
    evaluated = model.evaluate(dataset, verbose=0, return_dict=True)
    predicted = model.predict(dataset, verbose=0)
    folder = pathlib.Path(folder)
    np.savez(
        folder / "arrays.npz",
        predicted=predicted,
        expected=np.asarray(model(images, training=False)),
        labels=labels,
        **{variable.path: variable.numpy() for variable in model.variables},
    )
    (folder / "logs.json").write_text(
        json.dumps(
            {
                "replicas": strategy.num_replicas_in_sync,
                "history": history.history,
                "evaluated": evaluated,
                "iterations": int(model.optimizer.iterations.numpy()),
            }
        )
    )


def strategy_of(devices):
    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if devices > 1:
        return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(devices)])
    return tf.distribute.get_strategy()


def _pictures(folder):
    if folder is None:
        images = np.random.default_rng(0).uniform(0, 255, (NUM_IMAGES, SIZE, SIZE, 3))
        return images.astype("float32"), np.arange(NUM_IMAGES) % 3
    files = sorted(pathlib.Path(folder).rglob("*.jpg"))
    files = files[:: len(files) // NUM_IMAGES][:NUM_IMAGES]
    dataset, _, _ = read_images(files, image_size=SIZE, batch_size=NUM_IMAGES)
    return next(iter(dataset)).numpy(), np.arange(NUM_IMAGES) % 3


if __name__ == "__main__":
    main(*sys.argv[1:])
