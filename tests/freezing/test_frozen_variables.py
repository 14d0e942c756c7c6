"""Frozen is frozen, for every variable: LoRA, composite layers, changes by hand, clones."""

import copy
import pickle

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_transfer.backbones import Backbone
from keras_transfer.freezing import (
    FreezeAll,
    FreezeNone,
    FreezePatterns,
    FreezeUpTo,
    UnfreezeLast,
)
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel

IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("float32")
LABELS = np.arange(4) % 3


@keras.saving.register_keras_serializable(package="keras_transfer_tests")
class NoisyBlock(keras.layers.Layer):
    """A composite layer with a weight, a counter and noise of its own, and layers inside."""

    def build(self, shape):
        self.conv = keras.layers.Conv2D(shape[-1], 1, name="inner_conv")
        self.norm = keras.layers.BatchNormalization(momentum=0.5, name="inner_norm")
        self.noise = keras.layers.GaussianNoise(0.5, name="inner_noise")
        for layer in (self.conv, self.norm, self.noise):
            layer.build(shape)
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
        self.calls = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="calls"
        )
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs, training=None):
        outputs = self.noise(self.norm(self.conv(inputs), training=training))
        if training:
            self.calls.assign_add(1.0)
            outputs += keras.random.normal(keras.ops.shape(outputs), seed=self.seed_generator)
        return outputs * self.scale


def network():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    wrapped = keras.layers.Conv2D(4, 3, padding="same", name="wrapped")
    x = keras.layers.SpectralNormalization(wrapped, name="spectral")(x)
    x = keras.layers.BatchNormalization(momentum=0.5, name="bn")(x)
    x = NoisyBlock(name="block")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(4, name="dense")(x)
    return keras.Model(inputs, x, name="mixed")


def backbone():
    return Backbone.from_model(network())


def values(layer):
    return [keras.ops.convert_to_numpy(variable) for variable in layer.variables]


def assert_inert(layer, inputs=IMAGES):
    """The same output with training=True and training=False, and no variable moves."""
    before = values(layer)
    expected = keras.ops.convert_to_numpy(layer(inputs, training=False))
    np.testing.assert_array_equal(layer(inputs, training=True), expected)
    for old, new in zip(before, values(layer), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", ["spectral", "block", "bn", "dropout"])
@pytest.mark.parametrize("how", ["policy", "by hand"])
def test_a_frozen_layer_of_any_kind_is_inert(name, how):
    network = backbone()
    FreezeAll().apply(network) if how == "policy" else FreezeNone().apply(network)
    layer = network.get_layer(name)
    layer.trainable = False
    assert_inert(layer, np.ones((4, 8, 8, 4), "float32"))
    layer.trainable = True
    before = values(layer)
    layer(np.ones((4, 8, 8, 4), "float32"), training=True)
    assert any((old != new).any() for old, new in zip(before, values(layer), strict=True))


def test_spectral_normalization_leaves_a_frozen_kernel_alone():
    network = backbone()
    FreezeNone().apply(network)
    network.get_layer("spectral").layer.kernel.trainable = False
    assert_inert(network.get_layer("spectral"), np.ones((4, 8, 8, 4), "float32"))


def test_frozen_composite_layers_do_not_move_in_fit():
    model = TransferModel(backbone(), SoftmaxHead(3))
    model.compile()
    before = values(model.backbone)
    model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    for old, new in zip(before, values(model.backbone), strict=True):
        np.testing.assert_array_equal(old, new)


def test_lora_trains_where_the_policy_trains_and_its_kernel_stays_frozen():
    network = backbone()
    for name in ("conv", "dense"):
        network.get_layer(name).enable_lora(2)
    FreezePatterns([("conv|dense", "trainable"), (".*", "frozen")]).apply(network)
    assert sorted(v.path for v in network.trainable_variables) == [
        f"{name}/{variable}"
        for name in ("conv", "dense")
        for variable in ("bias", "lora_kernel_a", "lora_kernel_b")
    ]
    FreezeAll().apply(network)
    assert network.trainable_variables == []


def test_affine_trains_scale_and_offset_and_keeps_the_statistics():
    model = TransferModel(backbone(), SoftmaxHead(3), FreezeNone(batch_norm="affine"))
    assert "bn" in model.freeze_policy.trainable_layers(model)
    model.compile(keras.optimizers.Adam(0.1))
    norm = model.get_layer("bn")
    before = {variable.name: variable.numpy() for variable in norm.variables}
    model.fit(IMAGES, LABELS, verbose=0)
    moved = {v.name for v in norm.variables if not np.array_equal(v.numpy(), before[v.name])}
    assert moved == {"gamma", "beta"}
    # The features are cut before what trains.
    model.freeze_policy = FreezePatterns([("bn", "trainable"), ".*"], batch_norm="affine")
    assert model.frozen_boundary == "spectral"


POLICIES = st.sampled_from(
    [
        FreezeAll(),
        FreezeNone(),
        FreezeNone(batch_norm="trainable"),
        FreezeUpTo("spectral"),
        FreezeUpTo("bn", batch_norm="trainable"),
        UnfreezeLast(1),
        UnfreezeLast(2, batch_norm="trainable"),
        UnfreezeLast(2, batch_norm="affine"),
        FreezePatterns(["dense|block"]),
        FreezePatterns([("conv|spectral", "trainable"), ".*"], batch_norm="trainable"),
    ]
)


def flags(network):
    """Which layers and variables train; random states have numbers in their paths."""
    found = [*network._flatten_layers(), *network.variables]
    return [(str(one.path), one.trainable) for one in found if "seed" not in str(one.path)]


@settings(max_examples=15, deadline=None)
@given(
    data=st.data(),
    first=POLICIES,
    last=POLICIES,
    lora=st.lists(st.sampled_from(["conv", "spectral", "dense"]), unique=True),
)
def test_b_after_a_equals_b_with_lora_and_changes_by_hand(data, first, last, lora):
    def with_lora():
        keras.utils.clear_session()
        network = backbone()
        for name in lora:
            layer = network.get_layer(name)
            getattr(layer, "layer", layer).enable_lora(2)
        return network

    fresh, used = with_lora(), with_lora()
    first.apply(used)
    inner = used._flatten_layers(include_self=False)
    for kind in (used.variables, inner):
        for one in data.draw(st.lists(st.sampled_from(kind), max_size=4)):
            one.trainable = not one.trainable
    if data.draw(st.booleans()):
        used.trainable = not used.trainable
    for _ in range(2):
        last.apply(used)
        last.apply(fresh)
        assert flags(used) == flags(fresh)
    trained = {v.path for v in used.trainable_variables}
    assert not any(f"{name}/kernel" in trained for name in lora)


def test_the_same_policy_again_undoes_changes_by_hand():
    policy = UnfreezeLast(1)
    model = TransferModel(backbone(), SoftmaxHead(3), policy)
    expected = flags(model)
    model.get_layer("dense").kernel.trainable = False
    model.get_layer("bn").moving_mean.trainable = True
    model.get_layer("block").norm.trainable = True
    model.get_layer("conv").bias.trainable = True
    model.freeze_policy = policy
    assert flags(model) == expected


def by_config(model):
    return type(model).from_config(model.get_config())


COPIES = {
    "from_config": by_config,
    "clone_model": keras.models.clone_model,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301 (our own bytes)
    "copy": lambda model: model.copy(),
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("whole", [True, False], ids=["model", "backbone"])
def test_copies_of_every_kind_stay_frozen(kind, whole):
    model = TransferModel(backbone(), SoftmaxHead(3))
    model.get_layer("dense").enable_lora(2)
    copied = COPIES[kind](model if whole else model.backbone)
    assert [v.trainable for v in copied.variables] == [
        v.trainable for v in (model if whole else model.backbone).variables
    ]
    assert_inert(keras.Model(copied.input, copied.get_layer("dropout").output))


def test_a_recursive_clone_of_a_larger_model_stays_frozen():
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Flatten()(backbone()(inputs))
    larger = keras.Model(inputs, outputs)
    larger.trainable = False
    for recursive in (False, True):
        assert_inert(keras.models.clone_model(larger, recursive=recursive))


@pytest.mark.parametrize("kind", ["from_config", "copy", "deepcopy"])
def test_copies_keep_what_was_set_by_hand(kind):
    model = TransferModel(backbone(), SoftmaxHead(3), UnfreezeLast(1))
    model.get_layer("dense").bias.trainable = False
    model.get_layer("block").noise.trainable = False
    model.get_layer("conv").bias.trainable = True
    assert flags(COPIES[kind](model)) == flags(model)
    assert flags(COPIES[kind](model.backbone)) == flags(model.backbone)


@pytest.mark.parametrize("part", ["model", "backbone"])
def test_trainable_of_a_whole_model_reaches_each_of_its_layers(part):
    model = TransferModel(Backbone.from_model(network()), SoftmaxHead(3), FreezeAll())
    whole = model if part == "model" else model.backbone
    assert not any(weight.trainable for weight in model.get_layer("conv").weights)
    whole.trainable = True  # as it was: Keras would skip it
    assert all(weight.trainable for weight in model.get_layer("conv").weights)
    whole.trainable = False
    assert not any(weight.trainable for weight in model.get_layer("conv").weights)
    model.freeze_policy = FreezeAll()
    assert [one.path for one in model.trainable_variables] == [
        "head_output/kernel",
        "head_output/bias",
    ]


def test_trainable_of_a_whole_model_undoes_what_was_set_by_hand():
    model = TransferModel(Backbone.from_model(network()), SoftmaxHead(3))
    model.backbone.trainable = True
    model.get_layer("conv").bias.trainable = False
    model.backbone.trainable = True
    assert model.get_layer("conv").bias.trainable
