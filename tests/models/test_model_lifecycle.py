"""A model that is quantized, exported, copied and pickled computes what it computed."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.freezing import UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")
LABELS = np.arange(8) % 3


@pytest.fixture
def model():
    model = TransferModel(
        residual_backbone(dropout=0.5), SoftmaxHead(3, hidden_units=(8,)), UnfreezeLast(1)
    )
    model.compile("adam")
    model.fit(IMAGES, LABELS, verbose=0)
    model.class_names = ["a", "b", "c"]
    return model


# Keras warns of each layer that has no kernel.
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantized_model_predicts_nearly_the_same_and_is_saved(model, tmp_path):
    before = model.predict(IMAGES, verbose=0)
    model.quantize("int8")
    after = model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(after, before, atol=0.1)
    assert not np.array_equal(after, before)  # not the function that was traced before
    np.testing.assert_allclose(model(IMAGES), after, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), after, atol=1e-5)


def test_exported_model_predicts_the_same(model, tmp_path):
    model.export(str(tmp_path / "exported"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(
        exported.serve(IMAGES), model.predict(IMAGES, verbose=0), atol=1e-5
    )


def unpickled(model):
    return pickle.loads(pickle.dumps(model))  # noqa: S301 (our own bytes)


@pytest.mark.parametrize("copied", [copy.deepcopy, unpickled])
def test_copied_model_predicts_the_same_and_trains_on(model, copied):
    twin = copied(model)
    np.testing.assert_array_equal(
        twin.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
    )
    assert twin.freeze_policy == model.freeze_policy
    assert twin.class_names == model.class_names
    assert [v.path for v in twin.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]
    before = model.get_weights()
    twin.fit(IMAGES, LABELS, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_model_as_a_backbone_is_refused_with_what_to_pass(model):
    with pytest.raises(ValueError, match=r"pass `model.backbone.copy\(\)`.*TransferModel"):
        TransferModel(model, SoftmaxHead(5))


class Unregistered(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class UnregisteredHead(SoftmaxHead):
    pass


class UnregisteredPolicy(UnfreezeLast):
    pass


def of_unregistered(part):
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, name="conv")(inputs)
    x = Unregistered(name="own")(x) if part is Unregistered else x
    head = UnregisteredHead(3) if part is UnregisteredHead else SoftmaxHead(3)
    policy = UnregisteredPolicy(1) if part is UnregisteredPolicy else UnfreezeLast(1)
    return TransferModel(keras.Model(inputs, x), head, policy)


@pytest.mark.parametrize("part", [Unregistered, UnregisteredHead, UnregisteredPolicy])
def test_unknown_class_in_a_file_is_named_in_one_line(part, tmp_path):
    model = of_unregistered(part)
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=f"Cannot load .*'{part.__name__}'") as raised:
        keras.saving.load_model(tmp_path / "model.keras")
    message = str(raised.value)
    assert "register_keras_serializable" in message and "custom_objects" in message
    assert "\n" not in message and len(message) < 500
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={part.__name__: part}
    )
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))


def test_unknown_class_in_a_backbone_is_named_in_one_line():
    config = of_unregistered(Unregistered).backbone.get_config()
    with pytest.raises(ValueError, match=r"Cannot load .*'Unregistered'"):
        Backbone.from_config(config)


def test_a_backbone_with_its_own_classifier_warns_unless_it_is_cut_off():
    inputs = keras.Input((8,))
    x = keras.layers.Dense(6, name="features")(inputs)
    x = keras.layers.Dense(5, name="before")(x)
    network = keras.Model(inputs, keras.layers.Dense(4, "softmax", name="classes")(x))
    with pytest.warns(UserWarning, match="'classes', gives the prob.* for example 'before'"):
        TransferModel(network, SoftmaxHead(3))
    TransferModel(network, SoftmaxHead(3), truncate_at="before")
