"""Models whose answers differ from picture to picture, and pictures for them."""

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import backbones, freezing, heads, models
from tests.networks import residual_backbone

NAMES = ("chat", "été", "猫")


def small_model(head=None, **network):
    """A classifier of three classes, unless another head is given, of 16 x 16 pixels."""
    head = heads.SoftmaxHead(3, dropout=0.5) if head is None else head
    return models.TransferModel(residual_backbone(**network), heads=head)


def trained_model_with_augmentation():
    """Resizing, flips, dropout and unfrozen BatchNormalization in the graph, after a `fit`."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Resizing(12, 12)(inputs)
    x = keras.layers.RandomFlip()(x)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.BatchNormalization()(x)
    model = models.TransferModel(
        backbones.Backbone.from_model(keras.Model(inputs, x)),
        heads=heads.SoftmaxHead(3, dropout=0.5),
        freeze_policy=freezing.FreezeNone(batch_norm="trainable"),
    )
    model.compile()
    model.fit(pixels(12).astype("float32"), np.arange(12) % 3, verbose=0)
    return model


def pixels(count, size=16, channels=3):
    """uint8 pictures, each of one colour or another, with noise."""
    random = np.random.default_rng(1)
    colour = 230 * np.eye(channels)[np.arange(count) % channels]
    noise = random.uniform(0, 25, (count, size, size, channels))
    return (colour[:, None, None, :] + noise).astype("uint8")


def write_pngs(pictures, folder):
    """Writes a file for each picture and returns the paths."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{index:02}.png" for index in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(tf.io.encode_png(picture).numpy())
    return paths


def predicted_labels(model, pictures, names=NAMES):
    """The names of the most probable classes."""
    probabilities = model.predict(np.asarray(pictures, "float32"), verbose=0)
    return [names[index] for index in probabilities.argmax(axis=-1)]
