"""Extracts features on this process' part of the cluster, and writes down what it did."""

import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import heads, models
from keras_transfer.distribution.workers import all_agree, is_chief
from keras_transfer.features import FeatureCache, shard_store
from tests.distribution.devices import divide_cpu
from tests.distribution.training import strategy_of
from tests.networks import residual_backbone

NUM_IMAGES = 150
shard_store._MOST_ROWS = 32  # five shards


def main(folder, devices, cache):
    divide_cpu(int(devices))
    strategy = strategy_of(int(devices))
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = models.TransferModel(residual_backbone("tf"), heads.SoftmaxHead(3))
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (NUM_IMAGES, 16, 16, 3)).astype("float32")
    labels = np.arange(NUM_IMAGES, dtype="int32") % 3
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(20)
    folder = pathlib.Path(folder)
    # "own" is a folder that the workers do not share.
    place = folder / "cache" if cache == "own" else pathlib.Path(cache)
    features = FeatureCache(place, engine="tensorflow").extract(model, dataset)
    rows, labels = features.arrays()
    expected = model.stem()(images, training=False).numpy()
    np.savez(folder / "arrays.npz", rows=rows, labels=labels, expected=expected)
    done = {
        "computed": features.extraction.num_images,
        "agree": all_agree(strategy, "the same"),
        "disagree": all_agree(strategy, str(is_chief(strategy))),
    }
    (folder / "done.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
