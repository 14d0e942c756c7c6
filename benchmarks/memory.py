"""The memory that a training leaves in a process which goes on."""

import gc
import os
import pathlib

import keras
import numpy as np

from benchmarks.jobs import UnavailableError
from keras_transfer import backbones, freezing, heads, models

_CLASSES = 5


def growth(row, network, image_size, trainings):
    """Trains all weights of new models in one process: `fit`, `evaluate` and `predict` of each.

    Returns:
        A row with the megabytes that each training added after the first one, which loads
        what all of them use.
    """
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (64, image_size, image_size, 3)).astype("float32")
    labels = random.integers(0, _CLASSES, len(images))
    used = []
    for _ in range(trainings + 1):
        model = _MODELS[row](network, (image_size, image_size, 3))
        model.fit(images, labels, verbose=0)
        model.evaluate(images, labels, verbose=0)
        model.predict(images, verbose=0)
        del model
        gc.collect()
        used.append(_resident())
    return [{"row": row, "values": {"megabytes": (used[-1] - used[0]) / trainings / 1e6}}]


def _plain(network, shape):
    application = getattr(keras.applications, network)
    base = application(include_top=False, weights=None, input_shape=shape, pooling="avg")
    outputs = keras.layers.Dense(_CLASSES, activation="softmax")(base.output)
    model = keras.Model(base.input, outputs)
    model.compile("adamw", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _transfer(network, shape):
    backbone = backbones.Backbone(network, weights=None, input_shape=shape)
    model = models.TransferModel(backbone, heads.SoftmaxHead(_CLASSES), freezing.FreezeNone())
    model.compile()
    return model


_MODELS = {"plain Keras": _plain, "TransferModel": _transfer}


def _resident():
    statistics = pathlib.Path("/proc/self/statm")
    if not statistics.exists():
        raise UnavailableError("the memory of a process is read from /proc, on Linux")
    return int(statistics.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
