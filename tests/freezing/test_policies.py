import itertools

import keras
import numpy as np
import pytest

from keras_transfer.backbones import Backbone
from keras_transfer.freezing import (
    FreezeAll,
    FreezeNone,
    FreezePatterns,
    FreezePolicy,
    FreezeUpTo,
    UnfreezeLast,
)
from tests.networks import mobilenet, residual_backbone

# Of the residual network: stage1 is conv1, stage2 ends at add1, stage3 at add2.
STAGE_3 = ["down2", "relu2", "dropout2", "conv_2", "add2"]
STAGE_2 = ["down1", "relu1", "dropout1", "conv_1", "add1"]

POLICIES = [
    (FreezeAll(), []),
    (FreezeNone(), ["preprocessing", "conv1", *STAGE_2, *STAGE_3]),
    (FreezeNone(batch_norm="trainable"),
     ["preprocessing", "conv1", "down1", "bn1", *STAGE_2[1:], "down2", "bn2", *STAGE_3[1:]]),
    (FreezeUpTo("add1"), STAGE_3),
    (FreezeUpTo("stage2"), STAGE_3),
    (FreezeUpTo("down2"), STAGE_3[1:]),
    (UnfreezeLast(1), STAGE_3),
    (UnfreezeLast(2, batch_norm="trainable"),
     ["down1", "bn1", *STAGE_2[1:], "down2", "bn2", *STAGE_3[1:]]),
    (FreezePatterns([".*1", "preprocessing"]), STAGE_3),
    (FreezePatterns([("conv_.*", "trainable"), (".*", "frozen")]), ["conv_1", "conv_2"]),
]  # fmt: skip


def flags(backbone):
    return {leaf.path: leaf.trainable for leaf in backbone._flatten_layers()}


@pytest.mark.parametrize(("policy", "expected"), POLICIES, ids=repr)
def test_trainable_layers_are_named_and_nothing_is_changed(policy, expected):
    backbone = residual_backbone()
    before = flags(backbone)
    assert sorted(policy.trainable_layers(backbone)) == sorted(expected)
    assert flags(backbone) == before


@pytest.mark.parametrize(("policy", "expected"), POLICIES, ids=repr)
def test_applied_policy_trains_exactly_its_layers(policy, expected):
    backbone = residual_backbone()
    policy.apply(backbone)
    trained = {variable.path.split("/")[0] for variable in backbone.trainable_variables}
    weighted = {layer.name for layer in backbone.layers if layer.weights}
    assert trained == set(expected) & weighted


def test_the_last_policy_alone_counts():
    backbone = residual_backbone()
    alone = {}
    for policy, _ in POLICIES:
        fresh = residual_backbone()
        policy.apply(fresh)
        alone[policy] = flags(fresh)
    for first, second in itertools.permutations(alone, 2):
        first.apply(backbone)
        second.apply(backbone)
        assert flags(backbone) == alone[second], (first, second)
        second.apply(backbone)
        assert flags(backbone) == alone[second], (first, second)


def test_policy_reaches_a_network_frozen_by_hand():
    # `trainable = True` on a model that says True already does not reach frozen children.
    backbone = residual_backbone()
    for layer in backbone.layers:
        layer.trainable = False
    FreezeNone().apply(backbone)
    backbone.trainable = False
    FreezeNone().apply(backbone)
    paths = [variable.path for variable in backbone.trainable_variables]
    assert len(paths) == 10  # five convolutions with a kernel and a bias each


@pytest.mark.parametrize("policy", [policy for policy, _ in POLICIES], ids=repr)
def test_policy_is_serialised_and_equal(policy):
    config = keras.saving.serialize_keras_object(policy)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored == policy
    assert hash(restored) == hash(policy)
    assert restored != FreezeUpTo("elsewhere")


def random_network():
    """Every kind of layer that behaves differently in training, inside composite ones too."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="conv")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.5, name="bn")(x)
    x = keras.layers.SpatialDropout2D(0.5, name="spatial")(x)
    x = keras.layers.GaussianNoise(0.5, name="noise")(x)
    x = keras.layers.RandomFlip(name="flip")(x)
    x = keras.layers.Reshape((64, 8), name="tokens")(x)
    x = keras.layers.MultiHeadAttention(2, 4, dropout=0.5, name="attention")(x, x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4, dropout=0.5), name="both")(x)
    return keras.Model(inputs, keras.layers.Dropout(0.5, name="dropout")(x))


NETWORKS = {
    "every kind of layer": lambda: Backbone.from_model(random_network()),
    "EfficientNetB0": lambda: Backbone("EfficientNetB0", (32, 32, 3), weights=None),
    "ConvNeXtTiny": lambda: stochastic_convnext(),
}


def stochastic_convnext():
    """`keras.applications` builds ConvNeXt without stochastic depth unless it is asked."""
    from keras.src.applications import convnext

    network = convnext.ConvNeXt(
        depths=[1, 1, 1, 1],
        projection_dims=[4, 4, 8, 8],
        drop_path_rate=0.9,
        include_top=False,
        weights=None,
        input_shape=(32, 32, 3),
        weights_name="convnext_tiny",
    )
    return Backbone.from_model(network)


@pytest.mark.parametrize("network", NETWORKS)
def test_frozen_network_is_deterministic_and_unfreezing_brings_randomness_back(network):
    backbone = NETWORKS[network]()
    images = np.random.default_rng(0).uniform(0, 255, (8, *backbone.input_shape[1:]))
    images = images.astype("float32")
    FreezeAll().apply(backbone)
    state = backbone.get_weights()
    inference = backbone(images, training=False).numpy()
    np.testing.assert_array_equal(backbone(images, training=True), inference)
    for before, variable in zip(state, backbone.weights, strict=True):
        np.testing.assert_array_equal(before, variable)
    FreezeNone().apply(backbone)
    np.testing.assert_array_equal(backbone(images, training=False), inference)
    one, two = (backbone(images, training=True).numpy() for _ in range(2))
    assert not np.array_equal(one, two)


def test_frozen_dropout_stays_deterministic_through_save_and_reload(tmp_path):
    backbone = residual_backbone(dropout=0.5)
    images = np.ones((4, 16, 16, 3), "float32")
    UnfreezeLast(1).apply(backbone)
    backbone.save(tmp_path / "b.keras")
    reloaded = keras.saving.load_model(tmp_path / "b.keras")
    assert flags(reloaded) == flags(backbone)
    frozen = keras.Model(reloaded.input, reloaded.get_layer("add1").output)
    np.testing.assert_array_equal(frozen(images, training=True), frozen(images))
    assert reloaded.get_layer("dropout1").rate == 0.5
    FreezeNone().apply(reloaded)
    assert not np.array_equal(frozen(images, training=True), frozen(images))


def test_plain_keras_lets_statistics_drift_where_the_policy_does_not():
    # Keras up to 3.15: `base(x, training=False)` does not protect the statistics in `fit`.
    backbone = residual_backbone()
    UnfreezeLast(2).apply(backbone)
    statistics = backbone.get_layer("bn1").moving_mean.numpy()
    model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D()])
    model.compile("sgd", "mse")
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3))
    model.fit(images, np.zeros((8, 8)), verbose=0)
    np.testing.assert_array_equal(backbone.get_layer("bn1").moving_mean, statistics)


def test_batch_norm_is_trained_only_where_it_is_asked_and_only_in_the_trained_part():
    backbone = mobilenet()
    UnfreezeLast(1, batch_norm="trainable").apply(backbone)
    assert backbone.get_layer("Conv_1_bn").trainable
    assert not backbone.get_layer("bn_Conv1").trainable
    UnfreezeLast(1).apply(backbone)
    assert not backbone.get_layer("Conv_1_bn").trainable
    assert backbone.get_layer("Conv_1").trainable


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FreezeAll(batch_norm="off"), "'frozen', 'trainable' or 'affine'"),
        (lambda: FreezeUpTo(100), "not the index of a layer"),
        (lambda: UnfreezeLast(0), "positive integer"),
        (lambda: UnfreezeLast(True), "positive integer"),
        (lambda: UnfreezeLast("2"), "positive integer"),
        (lambda: FreezePatterns("conv"), "a list of regular expressions"),
        (lambda: FreezePatterns([]), "a list of regular expressions"),
        (lambda: FreezePatterns([("conv", "off")]), "'frozen' or 'trainable'"),
        (lambda: FreezePatterns(["conv("]), "Not a regular expression"),
    ],
)
def test_wrong_arguments_are_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (FreezeUpTo("ad1"), "Did you mean 'add1'"),
        (FreezeUpTo("relu1"), r"'down1' \(earlier\), 'add1' \(later\)"),
        (UnfreezeLast(4), "has 3 stages"),
        (FreezePatterns(["conv9"]), "matches no layer; closest names: 'conv1'"),
        (FreezePatterns([".*", "conv1"]), "never reached"),
    ],
    ids=repr,
)
def test_what_matches_nothing_raises_with_the_closest_names(policy, message):
    with pytest.raises(ValueError, match=message):
        policy.trainable_layers(residual_backbone())


def test_policy_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        FreezePolicy()


def test_a_policy_of_ones_own_that_names_an_unknown_layer_is_told_the_closest():
    class Own(FreezePolicy):
        def unfrozen_operations(self, backbone):
            return [f"{backbone.layers[-1].name}x"]

    backbone = residual_backbone()
    last = backbone.layers[-1].name
    with pytest.raises(ValueError, match=f"Did you mean '{last}'.* Received: '{last}x'"):
        Own().apply(backbone)
