"""One of the workers that `replicas` starts: times its steps, and what goes over the wire."""

import json
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import library_models
from keras_transfer import distribution, freezing
from keras_transfer.distribution.workers import is_chief

_CLASSES, _WARM_UP = 10, 3


class Meter(keras.callbacks.Callback):
    """Notes the time and the bytes through the local network before each step."""

    def __init__(self):
        super().__init__()
        self.readings = []

    def on_train_batch_begin(self, batch, logs=None):
        self.readings.append((time.perf_counter(), _bytes_through_loopback()))

    def on_train_batch_end(self, batch, logs=None):
        """Being there makes Keras wait for the step."""


def main(output, network, image_size, batch_size, steps):
    """Trains everything on made-up pictures, and writes the readings of all steps."""
    strategy = distribution.get_strategy("auto")
    keras.utils.set_random_seed(0)
    replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        model = library_models.transfer_model(
            network, int(image_size), _CLASSES, freezing.FreezeNone()
        )
        model.compile(keras.optimizers.SGD(1e-3))
    batch = int(batch_size) * replicas
    images = np.random.default_rng(0).uniform(
        0, 255, (batch, int(image_size), int(image_size), 3)
    )
    dataset = tf.data.Dataset.from_tensors(
        (images.astype("float32"), np.arange(batch) % _CLASSES)
    )
    meter = Meter()
    model.fit(dataset.repeat(_WARM_UP + int(steps) + 1), callbacks=[meter], verbose=0)
    if is_chief(strategy):
        trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        values = {
            "replicas": replicas,
            "gradient_bytes": 4 * trained,
            "readings": meter.readings[_WARM_UP:],
        }
        pathlib.Path(output).write_text(json.dumps(values))


def _bytes_through_loopback():
    """The bytes that were sent on the loopback device so far; 0 where nobody counts them."""
    try:
        lines = pathlib.Path("/proc/net/dev").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[8])
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
