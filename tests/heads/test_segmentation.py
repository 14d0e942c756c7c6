"""The segmentation head, its loss, its metrics and its enlargement."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, freezing, heads, training
from keras_transfer.backbones import Backbone
from keras_transfer.heads.segmentation_measures import (
    MeanIoU,
    PixelAccuracy,
    SegmentationLoss,
    class_ious,
)
from keras_transfer.heads.upsampling import UpsampleTo
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan
from tests.networks import residual_network, small_application

# Two images of 1 x 4 pixels; the class of each pixel, 9 for none.
LABELS = np.array([[[0, 1, 1, 9]], [[0, 0, 9, 9]]], "uint8")
# The classes that are predicted: all right but one of class 1.
PREDICTED = np.array([[[0, 1, 0, 1]], [[0, 0, 1, 1]]])


def logits_of(classes, number=3, scale=20.0):
    return scale * np.eye(number, dtype="float32")[classes]


def small_backbone(size=32):
    return Backbone.from_model(small_application((size, size, 3)))


@pytest.fixture(scope="module")
def backbone():
    return small_backbone()


@pytest.mark.parametrize("decoder", ["fpn", "unet"])
@pytest.mark.parametrize("size", [(32, 48), (33, 47), (65, 31)])
def test_output_has_the_size_of_the_input(decoder, size):
    any_size = Backbone.from_model(small_application((None, None, 3)))
    fixed = Backbone.from_model(small_application((*size, 3)))
    for backbone in (any_size, fixed):
        model = TransferModel(backbone, heads.SegmentationHead(4, decoder, width=4))
        assert model(np.zeros((2, *size, 3), "float32")).shape == (2, *size, 4)


@pytest.mark.parametrize("known", [True, False])
def test_odd_sizes_are_cropped_and_not_stretched(known):
    # Strides of 2 over 5 pixels: 3 features at pixels 0, 2 and 4. Each pixel of the enlarged 6
    # lies at (i + 0.5) / 2 - 0.5 of them: 0, 0.25, 0.75, 1.25, 1.75, (2).
    row = np.array([0.0, 4.0, 8.0], "float32").reshape(1, 1, 3, 1)
    layer = UpsampleTo((1, 5)) if known else UpsampleTo()
    found = layer(row) if known else layer(row, np.zeros((1, 1, 5, 1)))
    np.testing.assert_allclose(np.ravel(found), [0.0, 1.0, 3.0, 5.0, 7.0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_xla_compiles_the_gradient_of_the_enlargement_in_half_precision(dtype):
    layer = UpsampleTo((4, 4), dtype=f"mixed_{dtype}")

    @tf.function(jit_compile=True)
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            enlarged = layer(tf.nn.relu(images))
        return tape.gradient(enlarged, images)

    # 16 pixels are made of 4, each of the same weight.
    np.testing.assert_array_equal(
        gradient(tf.ones((1, 2, 2, 1), dtype)), tf.fill((1, 2, 2, 1), 4.0)
    )


def test_features_that_were_rounded_down_are_stretched():
    assert UpsampleTo((7, 7))(np.zeros((1, 3, 3, 2))).shape == (1, 7, 7, 2)


def test_the_loss_leaves_out_the_ignored_class_and_counts_each_image_the_same():
    # The first image: two of three pixels are right, the third has a loss of 20; the second
    # image: all are right. (20 / 3 + 0) / 2 = 3.33
    loss = SegmentationLoss(ignore_class=9)
    assert float(loss(LABELS, logits_of(PREDICTED))) == pytest.approx(20 / 6, rel=1e-4)


def test_class_weights_weight_the_pixels_of_a_class():
    loss = SegmentationLoss(ignore_class=9, class_weights=[1.0, 3.0, 1.0])
    assert float(loss(LABELS, logits_of(PREDICTED))) == pytest.approx(3 * 20 / 6, rel=1e-4)


def test_dice_counts_the_classes_that_an_image_shows():
    # The first image: class 0 has 1 true and 2 predicted pixels, 1 in both: 2 / 3; class 1 has
    # 2 true and 1 predicted, 1 in both: 2 / 3. The second: 1. Mean loss (1 / 3 + 0) / 2.
    loss = SegmentationLoss(ignore_class=9, dice=1.0)
    assert float(loss(LABELS, logits_of(PREDICTED))) == pytest.approx(1 / 6, rel=1e-3)


def test_an_image_without_any_class_has_no_loss():
    loss = SegmentationLoss(ignore_class=9, dice=0.5)
    nothing = np.full((1, 1, 4), 9)
    assert float(loss(nothing, logits_of(PREDICTED[:1]))) == pytest.approx(0.5)


def test_mean_iou_is_that_of_the_classes_that_occur():
    metric = MeanIoU(3, ignore_class=9)
    metric.update_state(LABELS[:1], logits_of(PREDICTED[:1]))
    metric.update_state(LABELS[1:], logits_of(PREDICTED[1:]))
    # Class 0: 3 in both, 3 true and 4 predicted: 3 / 4. Class 1: 1 of 2. Class 2 is absent.
    assert float(metric.result()) == pytest.approx((3 / 4 + 1 / 2) / 2)
    np.testing.assert_allclose(class_ious(metric.confusion), [0.75, 0.5, np.nan])


def test_mean_iou_compiles_with_xla():
    metric = MeanIoU(3, ignore_class=9)
    tf.function(metric.update_state, jit_compile=True)(LABELS, logits_of(PREDICTED))
    np.testing.assert_array_equal(metric.confusion, [[3, 0, 0], [1, 1, 0], [0, 0, 0]])


def test_pixel_accuracy_leaves_out_the_ignored_class():
    metric = PixelAccuracy(ignore_class=9)
    assert float(metric(LABELS, logits_of(PREDICTED))) == pytest.approx(4 / 5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_classes": 1},
        {"num_classes": 256},
        {"decoder": "deeplab"},
        {"ignore_class": 2},
        {"ignore_class": True},
        {"width": 0},
        {"dice": 1.5},
        {"class_weights": [1.0]},
        {"class_weights": [1.0, -1.0, 1.0]},
        {"loss_weight": 0},
    ],
)
def test_arguments_out_of_range_are_told(arguments):
    with pytest.raises(ValueError, match="Received: "):
        heads.SegmentationHead(**{"num_classes": 3, **arguments})


def test_a_network_without_images_in_its_stages_is_told():
    network = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(3)]
    )
    with pytest.raises(ValueError, match="stages are images"):
        TransferModel(Backbone.from_model(network), heads.SegmentationHead(2))


@pytest.fixture(scope="module")
def scenes():
    """Images whose left and right half have another brightness, and the class of each."""
    random = np.random.default_rng(0)
    masks = np.zeros((24, 32, 32), "uint8")
    for mask, edge in zip(masks, random.integers(8, 24, 24), strict=True):
        mask[:, edge:] = 1
    images = 60.0 + 120.0 * masks[..., None] + random.normal(0, 5, (24, 32, 32, 3))
    masks[:, :2] = 9
    return images.astype("float32"), masks


def test_fine_tune_trains_the_head_on_cached_stages_and_then_the_last_one(scenes, tmp_path):
    model = TransferModel(small_backbone(), heads.SegmentationHead(2, width=8, ignore_class=9))
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    phases = [
        Phase(freezing.FreezeAll(), 6, 2e-2, views=1, augmented=False, name="head"),
        Phase(freezing.UnfreezeLast(2), 1, 1e-3, 0.7, views=1, augmented=False, name="tuning"),
    ]
    train = tf.data.Dataset.from_tensor_slices(scenes).batch(4)
    history = training.fine_tune(
        model, train, scenes, plan=Plan(phases), verbose=0,
        cache=features.FeatureCache(tmp_path, dtype="float16"),
    )  # fmt: skip
    assert history.history["val_mean_iou"][-1] > 0.7
    assert len(model.frozen_cut) > 1
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(scenes[0], verbose=0),
                                  model.predict(scenes[0], verbose=0))  # fmt: skip


def test_a_label_out_of_range_is_found_before_it_trains(backbone):
    model = TransferModel(backbone.copy(), heads.SegmentationHead(2, width=4, ignore_class=9))
    model.compile()
    for label in (1, 9):
        model.fit(np.zeros((2, 32, 32, 3)), np.full((2, 32, 32), label), verbose=0)
    with pytest.raises(ValueError, match=r"from 0 to 1.*leaves out 9.*Received: labels from 2"):
        model.fit(np.zeros((2, 32, 32, 3)), np.full((2, 32, 32), 2), verbose=0)


def test_the_model_of_keras_alone_computes_the_same(backbone):
    model = TransferModel(backbone.copy(), heads.SegmentationHead(3, width=4))
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(model.to_plain()(images), model(images), atol=1e-5)


def test_the_residual_network_of_two_stages_is_enough():
    model = TransferModel(
        Backbone.from_model(residual_network()), heads.SegmentationHead(2, width=4)
    )
    assert model(tf.zeros((1, 16, 16, 3))).shape == (1, 16, 16, 2)
