import numpy as np
import pytest
from scipy import ndimage

from keras_transfer.explanations import integrated_gradients
from keras_transfer.freezing import FreezeNone
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits
from tests.explanations.networks_to_explain import (
    IMAGES,
    KERNEL,
    SIZE,
    assert_same_weights,
    pixel_model,
    weights_of,
)
from tests.networks import mobilenet, residual_backbone

SMALL = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
COLOUR = np.array([10.0, 20.0, 30.0])
BASELINES = [0, 100.0, COLOUR, IMAGES[0], IMAGES[::-1]]


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda b: str(np.shape(b)))
def test_linear_model_is_the_difference_times_the_weights(baseline):
    expected = (IMAGES - baseline) * KERNEL[:, 1] / SIZE**2
    found = integrated_gradients(pixel_model(), IMAGES, 1, baseline=baseline, steps=1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "make, baseline", [(residual_backbone, 0), (residual_backbone, "blur"), (mobilenet, 0)]
)
def test_attributions_add_up_to_the_difference_of_the_logits(make, baseline):
    model = TransferModel(make(), SoftmaxHead(3))
    images = np.random.default_rng(1).uniform(0, 255, (2, *model.input_shape[1:]))
    images = images.astype("float32")
    sigma = 0.1 * images.shape[1]
    start = np.zeros_like(images)
    if baseline == "blur":
        start = ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest")
    expected = (logits(model, images) - logits(model, start))[:, 2]
    found = integrated_gradients(model, images, 2, baseline=baseline, steps=24)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), expected, rtol=0.02, atol=1e-3)


def test_more_steps_come_closer():
    model = TransferModel(residual_backbone(preprocessing="tf"), SoftmaxHead(3))
    expected = (logits(model, SMALL) - logits(model, 0 * SMALL))[:, 0]
    gaps = [
        np.abs(integrated_gradients(model, SMALL, 0, steps=n).sum((1, 2, 3)) - expected).max()
        for n in (2, 64)
    ]
    assert gaps[1] < gaps[0] / 4


def test_network_that_sees_the_left_half_counts_no_pixel_on_the_right():
    found = integrated_gradients(pixel_model(half=True), IMAGES, steps=2)
    assert np.all(found[:, :, : SIZE // 2] != 0)
    assert not found[:, :, SIZE // 2 :].any()


def test_class_defaults_to_that_of_the_picture_all_along_the_line():
    # At the black baseline class 0 leads, at each of these pictures class 1.
    model = pixel_model(kernel=np.abs(KERNEL) * [[0.1, 1.0]], bias=(5.0, 0.0))
    assert set(logits(model, IMAGES).argmax(axis=1)) == {1}
    np.testing.assert_array_equal(
        integrated_gradients(model, IMAGES), integrated_gradients(model, IMAGES, 1)
    )


def test_batches_and_training_do_not_change_it_and_it_changes_no_weight():
    backbone = residual_backbone(dropout=0.5)
    model = TransferModel(backbone, SoftmaxHead(3, dropout=0.5), FreezeNone())
    before = weights_of(model)
    whole = integrated_gradients(model, SMALL, steps=3)
    parts = integrated_gradients(model, SMALL, steps=3, batch_size=2)
    np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-4)
    assert_same_weights(model, before)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"baseline": "white"}, "'blur'. Received: baseline='white'"),
        ({"baseline": np.zeros((7, 7))}, "broadcasts to the images' shape"),
        ({"steps": 0}, "`steps` must be a positive integer"),
        ({"class_index": 5}, "below 2"),
        ({"images": IMAGES[0]}, "for one image"),
    ],
)
def test_wrong_argument_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        integrated_gradients(pixel_model(), **{"images": IMAGES, **arguments})
