"""A plain model of Keras where a `TransferModel` or a `Backbone` is expected."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import (
    adaptation,
    auditing,
    backbones,
    explanations,
    features,
    freezing,
    models,
    plans,
    pretraining,
    retention,
    serving,
    training,
    transferability,
)

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 8, 8, 3)).astype("float32")
LABELLED = tf.data.Dataset.from_tensor_slices((IMAGES, np.array([0, 1] * 4))).batch(4)


@pytest.fixture
def plain():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="convolution")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(2)(pooled))


PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-3)])
USES = {
    "fine_tune": lambda model: training.fine_tune(model, LABELLED),
    "export": lambda model: serving.export(model, "served"),
    "export_file": lambda model: serving.export_file(model, "model.keras"),
    "grad_cam": lambda model: explanations.grad_cam(model, IMAGES),
    "integrated_gradients": lambda model: explanations.integrated_gradients(model, IMAGES),
    "occlusion": lambda model: explanations.occlusion(model, IMAGES),
    "estimate_accuracy": lambda model: adaptation.estimate_accuracy(model, LABELLED, IMAGES),
    "add_lora": lambda model: models.add_lora(model, rank=2),
    "merge_lora": models.merge_lora,
    "load_delta": lambda model: models.load_delta(model, "delta"),
    "measure_costs": lambda model: plans.measure_costs(model, LABELLED),
    "Plan.describe": lambda model: PLAN.describe(model, 8, 2),
    "distil": lambda model: retention.distil([model], model, LABELLED),
    "interpolation_curve": lambda model: retention.interpolation_curve(
        model, model, LABELLED, LABELLED
    ),
    "interpolate": lambda model: retention.interpolate(model, model, 0.5),
    "self_supervised": lambda model: pretraining.self_supervised(model, LABELLED),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_plain_model_is_told(plain, use, request):
    with pytest.raises(ValueError, match="must be a `TransferModel`; make one with") as error:
        use(plain)
    is_export = "export" in request.node.callspec.id
    assert ("its own `model.export(path)`" in str(error.value)) is is_export


@pytest.fixture
def sequential():
    layers = [keras.layers.Conv2D(4, 3, name="first"), keras.layers.Conv2D(8, 3, name="last")]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


NETWORKS = {
    "probe_layers": lambda network: transferability.probe_layers(network, LABELLED),
    "probe_sizes": lambda network: transferability.probe_sizes(network, LABELLED, [8]),
    "rank_backbones": lambda network: transferability.rank_backbones(network, LABELLED),
    "check_negative_transfer": lambda network: transferability.check_negative_transfer(
        LABELLED, network, PLAN
    ),
    "recommend": lambda network: plans.recommend(LABELLED, network),
    "confounds": lambda network: auditing.confounds(LABELLED, network),
    "extract": lambda network: features.FeatureCache().extract(network, LABELLED),
    "split": lambda network: backbones.split(network, "first"),
    "UnfreezeLast": lambda network: freezing.UnfreezeLast(1).apply(network),
}


@pytest.mark.parametrize("use", NETWORKS.values(), ids=NETWORKS)
def test_a_network_may_be_a_sequential_model_and_no_subclassed_one(sequential, use):
    use(sequential)

    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="Build it with the functional API"):
        use(Subclassed())


def test_a_policy_freezes_a_plain_model(plain, sequential):
    freezing.FreezeUpTo("convolution").apply(plain)
    assert [w.path for w in plain.trainable_weights] == [w.path for w in plain.weights[2:]]
    sequential.trainable = False
    freezing.UnfreezeLast(1).apply(sequential)
    assert [id(w) for w in sequential.trainable_weights] == list(
        map(id, sequential.weights[2:])
    )


def test_a_plain_model_is_a_network(plain):
    (change, *_) = explanations.compare_stages(plain, plain, LABELLED)
    assert change.weight_change == 0
    (found,) = explanations.most_exciting(plain, IMAGES, "convolution", [1], num_images=2)
    assert found.images.shape == (2, 8, 8, 3)
