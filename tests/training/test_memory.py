import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from keras_transfer import freezing, plans, training
from keras_transfer.features import FeatureCache
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.networks import residual_backbone

PLAN = plans.Plan(
    [
        plans.Phase(freezing.FreezeAll(), 1, 1e-3),
        plans.Phase(freezing.UnfreezeLast(1), 1, 1e-4, layerwise_decay=0.5),
    ]
)


def images_and_labels():
    random = np.random.default_rng(0)
    return random.uniform(0, 255, (12, 16, 16, 3)).astype("float32"), np.arange(12) % 3


def fit_arrays(model, directory):
    model.compile()
    model.fit(*images_and_labels(), epochs=2, verbose=0)


def fit_with_loss_scaling(model, directory):
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()))
    model.fit(*images_and_labels(), verbose=0)


def fit_dataset(model, directory):
    model.compile()
    data = tf.data.Dataset.from_tensor_slices(images_and_labels()).batch(4)
    model.fit(data, validation_data=data, verbose=0)
    model.predict(data.map(lambda image, _: image), verbose=0)


def fine_tune_on_features(model, directory):
    data = tf.data.Dataset.from_tensor_slices(images_and_labels()).batch(4)
    cache = FeatureCache(directory, engine="tensorflow")
    training.fine_tune(model, data, data, PLAN, cache=cache, verbose=0)


def fine_tune_on_arrays(model, directory):
    data = images_and_labels()
    training.fine_tune(model, data, data, PLAN, cache=False, verbose=0)


@pytest.mark.parametrize(
    "train",
    [
        fit_arrays, fit_with_loss_scaling, fit_dataset, fine_tune_on_features,
        fine_tune_on_arrays,
    ],
)  # fmt: skip
def test_a_training_leaves_nothing_in_the_memory(train, tmp_path):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
    watched = [weakref.ref(layer) for layer in model.backbone.layers if layer.weights]
    gc.collect()
    before = {id(found) for found in gc.get_objects() if isinstance(found, FuncGraph)}
    train(model, tmp_path)
    del model
    gc.collect()
    assert watched and not any(layer() for layer in watched)
    graphs = [found for found in gc.get_objects() if isinstance(found, FuncGraph)]
    steps = [one.name for one in graphs if id(one) not in before and "step" in one.name]
    assert not steps
