"""A plain model of Keras where a `TransferModel` or a `Backbone` is expected."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import (
    adaptation,
    explanations,
    models,
    pretraining,
    retention,
    serving,
    training,
)

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 8, 8, 3)).astype("float32")
LABELLED = tf.data.Dataset.from_tensor_slices((IMAGES, np.array([0, 1] * 4))).batch(4)


@pytest.fixture
def plain():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="convolution")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(2)(pooled))


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
    "interpolate": lambda model: retention.interpolate(model, model, 0.5),
    "self_supervised": lambda model: pretraining.self_supervised(model, LABELLED),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_plain_model_is_told(plain, use, request):
    with pytest.raises(ValueError, match="must be a `TransferModel`; make one with") as error:
        use(plain)
    is_export = "export" in request.node.callspec.id
    assert ("its own `model.export(path)`" in str(error.value)) is is_export


def test_a_plain_model_is_a_network(plain):
    (change, *_) = explanations.compare_stages(plain, plain, LABELLED)
    assert change.weight_change == 0
    (found,) = explanations.most_exciting(plain, IMAGES, "convolution", [1], num_images=2)
    assert found.images.shape == (2, 8, 8, 3)
