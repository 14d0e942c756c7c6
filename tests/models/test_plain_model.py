"""A copy of Keras' own layers loads without the library."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_transfer import heads, models, serving
from keras_transfer.calibration.temperature_scaling import apply_temperature
from tests.networks import mobilenet, residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
HEADS = [
    heads.SoftmaxHead(3, hidden_units=(4,), normalization="batch", dropout=0.2),
    heads.SigmoidHead(2, pooling="gem"),
    heads.DenseHead(1),
    {"kind": heads.SoftmaxHead(3), "size": heads.DenseHead(2)},
]
SCRIPT = """
import sys
import keras, numpy as np
images, *models = sys.argv[1:]
for path in models:
    outputs = keras.saving.load_model(path)(np.load(images))
    np.savez(path + ".npz", *[np.asarray(one) for one in keras.tree.flatten(outputs)])
assert not [name for name in sys.modules if name.startswith("keras_transfer")]
"""


def trained(head, backbone=None):
    model = models.TransferModel(backbone or residual_backbone("tf"), head)
    prices = np.array([[9e5, 1.0], [8e5, 3.0]])
    model.adapt_heads([{"size": prices} if isinstance(head, dict) else prices[:, 0]])
    random = np.random.default_rng(1)
    for layer in model.layers:
        if layer.trainable_weights:
            values = [w + random.normal(0, 0.1, w.shape) for w in layer.get_weights()[:2]]
            layer.set_weights([*values, *layer.get_weights()[2:]])
    return model


def test_it_computes_the_same_in_a_process_without_the_library(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    expected = {}
    for number, head in enumerate(HEADS):
        model, path = trained(head), str(tmp_path / f"{number}.keras")
        if isinstance(head, heads.SoftmaxHead):
            apply_temperature(model, 2.5)
        model.to_plain().save(path)
        expected[path] = keras.tree.flatten(model(IMAGES))
    # In an empty folder, from which the library cannot be imported by its place.
    command = [sys.executable, "-I", "-c", SCRIPT, str(tmp_path / "images.npy"), *expected]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    for path, outputs in expected.items():
        with np.load(f"{path}.npz") as found:
            assert len(found.files) == len(outputs)
            for name, output in zip(found.files, outputs, strict=True):
                np.testing.assert_allclose(found[name], output, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("mode", ["none", "tf", "caffe", "torch"])
def test_every_preprocessing_has_layers_of_keras(mode, channels):
    model = trained(heads.SoftmaxHead(3), residual_backbone(mode, channels=channels))
    plain = model.to_plain()
    images = IMAGES[..., :channels]
    np.testing.assert_allclose(plain(images), model(images), rtol=1e-4, atol=1e-6)
    assert {type(layer).__module__.split(".")[0] for layer in plain.layers} == {"keras"}


def test_frozen_layers_stay_frozen_and_the_model_stays_as_it_is(tmp_path):
    model = trained(heads.SoftmaxHead(3), mobilenet())
    before = model.get_weights()
    plain = model.to_plain()
    assert len(plain.trainable_weights) == len(model.trainable_weights) == 2
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


class Foreign(keras.layers.Layer):
    """A layer whose code nobody else has."""

    def call(self, x):
        return x


def test_a_layer_of_ones_own_is_named(tmp_path):
    inputs = keras.Input((16, 16, 3))
    x = Foreign(name="foreign")(keras.layers.Conv2D(2, 3)(inputs))
    model = models.TransferModel(keras.Model(inputs, x), heads.SoftmaxHead(3))
    with pytest.raises(ValueError, match=r"'foreign' \(of type Foreign\)"):
        model.to_plain()


def test_export_to_a_keras_file_is_plain(tmp_path):
    model = trained(heads.SoftmaxHead(3))
    path = serving.export_file(model, tmp_path / "model.keras")
    loaded = keras.saving.load_model(path)
    assert not isinstance(loaded, models.TransferModel)
    np.testing.assert_allclose(loaded(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-6)
    assert [one.name for one in tmp_path.iterdir()] == ["model.keras"]
