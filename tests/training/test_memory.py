import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from keras_transfer import explanations, freezing, plans, serving, training
from keras_transfer.backbones import Backbone
from keras_transfer.features import FeatureCache
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel

PLAN = plans.Plan(
    [
        plans.Phase(freezing.FreezeAll(), 1, 1e-3),
        plans.Phase(freezing.UnfreezeLast(1), 1, 1e-4, layerwise_decay=0.5),
    ]
)


def silu_backbone():
    """A network whose activation has a custom gradient in TensorFlow."""
    images = keras.Input((16, 16, 3))
    features = images
    for filters in (4, 8):
        features = keras.layers.Conv2D(filters, 3, strides=2)(features)
        features = keras.layers.BatchNormalization()(features)
        features = keras.layers.Activation("silu")(features)
    return Backbone.from_model(keras.Model(images, features), preprocessing="tf")


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


def export(model, directory):
    serving.export(model, directory / "serving")


def explain(model, directory):
    explanations.grad_cam(model, images_and_labels()[0], batch_size=4)


@pytest.mark.parametrize(
    "use",
    [
        fit_arrays, fit_with_loss_scaling, fit_dataset, fine_tune_on_features,
        fine_tune_on_arrays, export, explain,
    ],
)  # fmt: skip
def test_nothing_stays_in_the_memory(use, tmp_path):
    use(TransferModel(silu_backbone(), SoftmaxHead(3)), tmp_path / "1")  # what is made once
    model = TransferModel(silu_backbone(), SoftmaxHead(3))
    watched = [weakref.ref(layer) for layer in model.backbone.layers if layer.weights]
    gc.collect()
    before = {id(found) for found in gc.get_objects() if isinstance(found, FuncGraph)}
    use(model, tmp_path / "2")
    del model
    gc.collect()
    assert watched and not any(layer() for layer in watched)
    graphs = [found for found in gc.get_objects() if isinstance(found, FuncGraph)]
    assert not [graph.name for graph in graphs if id(graph) not in before]
