import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.explanations import grad_cam
from keras_transfer.freezing import FreezeNone
from keras_transfer.heads import DenseHead, SigmoidHead, SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits
from tests.explanations.networks_to_explain import (
    IMAGES,
    KERNEL,
    SIZE,
    assert_same_weights,
    pixel_model,
    tokens_model,
    weights_of,
)
from tests.networks import mobilenet, residual_backbone

grad_cam_plus_plus = functools.partial(grad_cam, plus_plus=True)
METHODS = [grad_cam, grad_cam_plus_plus]
SMALL = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 3)).astype("float32")


def scaled(heat):
    heat = np.maximum(heat, 0)
    return heat / np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-9)


@pytest.mark.parametrize("wanted", [0, 1])
def test_grad_cam_is_the_weighted_sum_of_the_channels(wanted):
    # logit = mean over N positions of A w + b, so each gradient is w / N.
    expected = scaled(IMAGES @ (KERNEL[:, wanted] / SIZE**2))
    maps = grad_cam(pixel_model(), IMAGES, class_index=wanted)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, atol=1e-5)


@pytest.mark.parametrize("wanted", [0, 1])
def test_grad_cam_plus_plus_follows_the_formula(wanted):
    gradient = KERNEL[:, wanted] / SIZE**2
    total = IMAGES.sum(axis=(1, 2))
    alpha = gradient**2 / (2 * gradient**2 + total * gradient**3)
    weights = SIZE**2 * alpha * np.maximum(gradient, 0)
    expected = scaled(np.einsum("brck,bk->brc", IMAGES, weights))
    maps = grad_cam_plus_plus(pixel_model(), IMAGES, class_index=wanted)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_map_of_a_network_that_sees_the_left_half_is_on_the_left(method):
    maps = method(pixel_model(np.abs(KERNEL), half=True), IMAGES, class_index=0)
    assert np.all(maps[:, :, : SIZE // 2] > 0)
    assert not maps[:, :, SIZE // 2 :].any()


@pytest.mark.parametrize("method", METHODS)
def test_map_is_zero_where_nothing_raises_the_logit(method):
    model = pixel_model(-np.abs(KERNEL))
    assert not method(model, IMAGES, class_index=0).any()


@pytest.mark.parametrize("method", METHODS)
def test_class_defaults_to_the_most_probable_and_may_differ_by_image(method):
    model = pixel_model(bias=(-60.0, 0.0))
    best = logits(model, IMAGES).argmax(axis=1)
    each = np.stack([method(model, IMAGES[i : i + 1], int(best[i]))[0] for i in range(5)])
    np.testing.assert_array_equal(method(model, IMAGES, best), each)
    np.testing.assert_array_equal(method(model, IMAGES), each)


def test_logit_is_explained_where_the_probability_is_saturated():
    model = pixel_model(bias=(1e4, 0.0))
    assert model.predict(IMAGES, verbose=0)[:, 0].min() == 1.0
    expected = grad_cam(pixel_model(), IMAGES, class_index=0)
    np.testing.assert_allclose(grad_cam(model, IMAGES, class_index=0), expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_batches_do_not_change_the_maps(method):
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    np.testing.assert_allclose(
        method(model, SMALL, batch_size=2), method(model, SMALL), atol=1e-5
    )
    assert method(model, SMALL[:0]).shape == (0, 16, 16)


@pytest.mark.parametrize("policy", [None, FreezeNone()], ids=["frozen", "trained"])
@pytest.mark.parametrize("method", METHODS)
def test_model_stays_as_it_is_and_runs_in_inference_mode(method, policy):
    model = TransferModel(residual_backbone(dropout=0.5), SoftmaxHead(3, dropout=0.5), policy)
    before = weights_of(model)
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    maps = method(model, SMALL)
    np.testing.assert_array_equal(maps, method(model, SMALL))
    assert maps.any()
    assert_same_weights(model, before)
    assert nodes == [len(layer._inbound_nodes) for layer in model.layers]


@pytest.mark.parametrize("stage", ["stage1", "stage2", "conv_1", "relu2", "add2"])
def test_every_layer_with_positions_can_be_explained(stage):
    # `conv_1` and `relu2` lie on a branch: no cut goes through them.
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    maps = grad_cam(model, SMALL, class_index=1, stage=stage)
    assert maps.shape == (3, 16, 16)
    assert np.isfinite(maps).all()


def gradient_by_hand(model, images, layer, wanted):
    """With two models cut at a layer, which must be a boundary."""
    stem = keras.Model(model.input, model.get_layer(layer).output)
    tail = keras.Model(model.get_layer(layer).output, model.get_layer("head_output").input)
    with tf.GradientTape() as tape:
        features = stem(images)
        tape.watch(features)
        kernel = model.get_layer("head_output").kernel
        value = tf.reduce_sum(tf.matmul(tail(features), kernel)[:, wanted])
    return features.numpy(), tape.gradient(value, features).numpy()


def test_inner_stage_agrees_with_two_models_cut_there():
    model = TransferModel(residual_backbone(), SoftmaxHead(3, hidden_units=(5,)))
    features, gradients = gradient_by_hand(model, SMALL, "add1", 2)
    heat = np.einsum("brck,bk->brc", features, gradients.mean(axis=(1, 2)))
    heat = tf.image.resize(np.maximum(heat, 0)[..., np.newaxis], (16, 16))[..., 0].numpy()
    maps = grad_cam(model, SMALL, class_index=2, stage="add1")
    np.testing.assert_allclose(maps, scaled(heat), atol=1e-4)


@pytest.mark.parametrize(
    "head",
    [
        SoftmaxHead(3, pooling="avgmax", hidden_units=(4,), normalization="batch"),
        SoftmaxHead(3, pooling="gem"),
        SoftmaxHead(3, pooling="flatten"),
        SoftmaxHead(3, pooling="none"),
        SigmoidHead(3),
        DenseHead(3),
    ],
    ids=["avgmax", "gem", "flatten", "none", "sigmoid", "linear"],
)
def test_every_head_is_explained(head):
    model = TransferModel(residual_backbone(), head)
    maps = grad_cam(model, SMALL, class_index=1)
    assert maps.shape == (3, 16, 16)
    assert np.all((maps >= 0) & (maps <= 1))


def test_one_of_several_heads_is_explained():
    model = TransferModel(
        residual_backbone(),
        {"kind": SoftmaxHead(3), "size": DenseHead(1), "on": SigmoidHead(2)},
    )
    alone = TransferModel(model.backbone, SoftmaxHead(3))
    alone.get_layer("head_output").set_weights(model.get_layer("kind").get_weights())
    np.testing.assert_allclose(
        grad_cam(model, SMALL, 1, head="kind"), grad_cam(alone, SMALL, 1), atol=1e-6
    )
    with pytest.raises(ValueError, match=r"one of \['kind', 'size', 'on'\]"):
        grad_cam(model, SMALL)
    with pytest.raises(ValueError, match="None: the model has one"):
        grad_cam(alone, SMALL, head="kind")


def test_only_head_needs_no_name():
    model = TransferModel(residual_backbone(), {"kind": SoftmaxHead(3)})
    assert grad_cam(model, SMALL).shape == (3, 16, 16)


def test_layer_of_another_head_is_refused():
    model = TransferModel(
        residual_backbone(), {"a": SoftmaxHead(3, pooling="none"), "b": SoftmaxHead(2)}
    )
    with pytest.raises(ValueError, match="'b' does not depend on 'a'"):
        grad_cam(model, SMALL, stage="a", head="b")


def test_nested_model_is_reached_inside():
    inner = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, name="deep", activation="relu")],
        name="inner",
    )
    outer = keras.Sequential([inner, keras.layers.Conv2D(5, 3, name="last")], name="outer")
    model = TransferModel(Backbone.from_model(outer), SoftmaxHead(3))
    assert grad_cam(model, SMALL, stage="deep").any()


def test_half_precision_gives_the_same_maps():
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    keras.config.set_dtype_policy("mixed_float16")
    half = TransferModel(residual_backbone(), SoftmaxHead(3))
    half.set_weights(model.get_weights())
    np.testing.assert_allclose(
        grad_cam(half, SMALL, 1), grad_cam(model, SMALL, 1), atol=0.02, rtol=0
    )


def test_square_of_tokens_is_a_grid():
    model = tokens_model()
    maps = grad_cam(model, IMAGES, class_index=0)
    assert maps.shape == (5, SIZE, SIZE)
    features, gradients = gradient_by_hand(model, IMAGES, "norm", 0)
    heat = np.einsum("btk,bk->bt", features, gradients.mean(axis=1)).reshape(5, 4, 4)
    heat = tf.image.resize(np.maximum(heat, 0)[..., np.newaxis], (SIZE, SIZE))[..., 0].numpy()
    np.testing.assert_allclose(maps, scaled(heat), atol=1e-4)


def test_error_for_other_tokens_names_the_layers_with_a_grid():
    model = tokens_model(class_token=True)
    for stage in ("norm", None):
        with pytest.raises(ValueError, match=r"Layers with a grid: .*'patches', 'tokens'\]"):
            grad_cam(model, IMAGES, stage=stage)
    assert grad_cam(model, IMAGES, stage="tokens").shape == (5, SIZE, SIZE)


def test_default_stage_is_the_last_with_more_than_one_position():
    model = TransferModel(mobilenet(32), SoftmaxHead(3))
    assert model.backbone.output_shape[1:3] == (1, 1)
    images = np.random.default_rng(2).uniform(0, 255, (2, 32, 32, 3))
    maps = grad_cam(model, images.astype("uint8"))
    assert np.ptp(maps, axis=(1, 2)).max() > 0
    with pytest.raises(ValueError, match="more than one position"):
        grad_cam(model, images, stage=model.backbone.stages[-1].name)


def test_network_without_positions_is_refused():
    inputs = keras.Input((1, 1, 3))
    backbone = Backbone.from_model(keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs)))
    with pytest.raises(ValueError, match="larger images"):
        grad_cam(TransferModel(backbone, SoftmaxHead(2)), np.zeros((1, 1, 1, 3)))


BAD = {
    "one image": ({"images": IMAGES[0]}, "image\\[np.newaxis\\]"),
    "another size": ({"images": IMAGES[:, :4]}, "images of shape"),
    "class too high": ({"class_index": 2}, "below 2"),
    "class below zero": ({"class_index": -1}, "at least 0"),
    "class a float": ({"class_index": 0.0}, "class_index=0.0"),
    "classes too few": ({"class_index": [0, 1]}, "each of the 5 images"),
    "unknown stage": ({"stage": "stgae1"}, "Did you mean 'stage1'"),
    "stage without positions": ({"stage": "head_pooling"}, r"Stages with a grid: \['stage1'\]"),
    "empty batches": ({"batch_size": 0}, "`batch_size` must be a positive integer"),
}


@pytest.mark.parametrize("arguments, message", BAD.values(), ids=BAD)
def test_invalid_argument_is_refused(arguments, message):
    arguments = {"images": IMAGES, **arguments}
    with pytest.raises(ValueError, match=message):
        grad_cam(pixel_model(), **arguments)


def test_head_must_end_in_a_dense_layer():
    class Twice(DenseHead):
        def __call__(self, features, name="head", output_name=None):
            return keras.layers.Rescaling(2.0, name="twice")(super().__call__(features, name))

    with pytest.raises(ValueError, match=r"must end in a `keras.layers.Dense`.*'twice'"):
        grad_cam(TransferModel(residual_backbone(), Twice(2)), SMALL)
