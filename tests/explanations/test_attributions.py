import numpy as np
import pytest
from scipy import ndimage

from keras_transfer.explanations import integrated_gradients, occlusion
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


def test_pixels_that_the_network_cannot_see_get_no_attribution():
    found = integrated_gradients(pixel_model(half=True), IMAGES, steps=2)
    assert np.all(found[:, :, : SIZE // 2] != 0)
    assert not found[:, :, SIZE // 2 :].any()


def test_class_defaults_to_that_of_the_image_along_the_whole_line():
    # Class 0 is the most probable at the black baseline, class 1 at each of these images.
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
        ({"baseline": "white"}, r"\['blur'\]. Received: baseline='white'"),
        ({"baseline": np.zeros((7, 7))}, "broadcasts to the images' shape"),
        ({"steps": 0}, "`steps` must be a positive integer"),
        ({"class_index": 5}, "below 2"),
        ({"images": IMAGES[0]}, "for one image"),
    ],
)
def test_integrated_gradients_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        integrated_gradients(pixel_model(), **{"images": IMAGES, **arguments})


BLOCK = slice(2, 4), slice(4, 6)


def block_model():
    """A model of the red channel of one block of two by two pixels."""
    kernel = np.zeros((SIZE, SIZE, 3, 2))
    kernel[(*BLOCK, 0, 1)] = 0.01
    head = SoftmaxHead(2, pooling="flatten")
    return pixel_model(kernel.reshape(-1, 2), (0, 0), head=head)


@pytest.mark.parametrize("fill", [0, (7.0, 8.0, 9.0), "mean"], ids=str)
def test_only_the_visible_block_causes_a_drop(fill):
    found = occlusion(block_model(), IMAGES, class_index=1, patch=2, stride=2, fill=fill)
    red = IMAGES.mean(axis=(1, 2))[:, 0] if fill == "mean" else np.ravel(fill)[0]
    seen = IMAGES[(slice(None), *BLOCK, 0)].sum(axis=(1, 2))
    expected = np.zeros((5, SIZE, SIZE))
    expected[(slice(None), *BLOCK)] = (0.01 * (seen - 4 * red)).reshape(-1, 1, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_overlapping_patches_are_averaged():
    # Patches of 4 begin at 0, 2 and 4; pixels 2 to 5 are covered twice.
    found = occlusion(pixel_model(), IMAGES, 0, patch=4, stride=2, fill=0)
    drops = np.zeros((5, 3, 3))
    for i in range(3):
        for j in range(3):
            square = IMAGES[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
            drops[:, i, j] = square.sum(axis=(1, 2)) @ KERNEL[:, 0] / SIZE**2
    np.testing.assert_allclose(found[:, 0, 0], drops[:, 0, 0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        found[:, 3, 3], drops[:, :2, :2].mean(axis=(1, 2)), rtol=1e-3, atol=1e-4
    )


def test_every_pixel_is_covered_where_the_stride_does_not_fit():
    found = occlusion(pixel_model(np.abs(KERNEL)), IMAGES, 0, patch=3, stride=3, fill=0)
    assert np.all(found > 0)


def test_covering_what_the_network_cannot_see_causes_no_drop():
    model = pixel_model(np.abs(KERNEL), half=True)
    found = occlusion(model, IMAGES, class_index=0, patch=2, stride=2, fill=0)
    assert np.all(found[:, :, : SIZE // 2] > 0)
    np.testing.assert_allclose(found[:, :, SIZE // 2 :], 0, atol=1e-4)


def test_sizes_have_defaults_and_the_model_stays_as_it_is():
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    before = weights_of(model)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("uint8")
    found = occlusion(model, images, patch=8)
    np.testing.assert_allclose(
        found, occlusion(model, images, patch=8, batch_size=1), atol=1e-5
    )
    assert np.isfinite(found).all() and found.any()
    assert_same_weights(model, before)
    assert occlusion(pixel_model(), IMAGES).shape == (5, SIZE, SIZE)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"patch": 9}, "must fit into the image of 8 by 8"),
        ({"patch": 2, "stride": 3}, "`stride` must be at most `patch`"),
        ({"patch": 0}, "`patch` must be a positive integer"),
        ({"patch": 2, "stride": 0}, "`stride` must be a positive integer"),
        ({"fill": "grey"}, "fill='grey'"),
        ({"fill": (1, 2)}, r"broadcasts to the images. shape \(5, 8, 8, 3\)"),
        ({"class_index": "ants"}, "class_index='ants'"),
    ],
)
def test_occlusion_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        occlusion(pixel_model(), IMAGES, **arguments)
