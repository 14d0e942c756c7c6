"""The default plan runs on every network of `keras.applications`."""

import concurrent.futures
import dataclasses
import multiprocessing

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import heads, plans, training
from keras_transfer._applications import APPLICATIONS
from keras_transfer.backbones import Backbone, list_backbones
from keras_transfer.models import TransferModel

# Small, with bare operations in its graph, and squeeze and excitation.
_SMALL = "MobileNetV3Small"
_ONE_STEP = 4


def two_steps(backbone):
    """Trains a model for a step of the head and a step of each phase after it."""
    model = TransferModel(backbone, heads.SoftmaxHead(2))
    chosen = plans.choose_plan(3000, 2, len(backbone.stages))
    phases = [dataclasses.replace(phase, epochs=1, solver="adamw") for phase in chosen.phases]
    images = np.random.default_rng(0).uniform(0, 255, (_ONE_STEP, *backbone.input_shape[1:]))
    train = tf.data.Dataset.from_tensor_slices((images.astype("float32"), [0, 1, 0, 1]))
    plan = plans.Plan(phases, [])
    return training.fine_tune(model, train.batch(_ONE_STEP), plan=plan, cache=False, verbose=0)


def trains(name):
    size = max(APPLICATIONS[name].min_size, 32)
    history = two_steps(Backbone(name, (size, size, 3), weights=None))
    return len(history.phase) >= 2 and bool(np.isfinite(history.history["loss"]).all())


@pytest.mark.slow
def test_default_plan_runs_on_a_network():
    assert trains(_SMALL)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted({*list_backbones()} - {_SMALL}))
def test_default_plan_runs_on_every_network(name):
    # TensorFlow keeps the memory of each training: five ConvNeXts in one process need 24 GiB.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(trains, name).result()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer")
def test_default_plan_runs_on_a_vision_transformer_of_keras_hub():
    hub = pytest.importorskip("keras_hub", reason="the network")
    network = hub.models.ViTBackbone(
        (32, 32, 3), patch_size=8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    history = two_steps(Backbone.from_model(network))
    assert len(history.phase) >= 2 and np.isfinite(history.history["loss"]).all()
