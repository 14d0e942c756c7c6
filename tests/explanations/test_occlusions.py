import numpy as np
import pytest

from keras_transfer.explanations import occlusion
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.explanations.networks_to_explain import (
    IMAGES,
    KERNEL,
    SIZE,
    assert_same_weights,
    pixel_model,
    weights_of,
)
from tests.networks import residual_backbone

BLOCK = slice(2, 4), slice(4, 6)


def block_model():
    """Sees the red of one block of two by two pixels, and nothing else."""
    kernel = np.zeros((SIZE, SIZE, 3, 2))
    kernel[(*BLOCK, 0, 1)] = 0.01
    head = SoftmaxHead(2, pooling="flatten")
    return pixel_model(kernel.reshape(-1, 2), (0, 0), head=head)


@pytest.mark.parametrize("fill", [0, (7.0, 8.0, 9.0), "mean"], ids=str)
def test_only_the_block_that_is_seen_counts(fill):
    found = occlusion(block_model(), IMAGES, class_index=1, patch=2, stride=2, fill=fill)
    red = IMAGES.mean(axis=(1, 2))[:, 0] if fill == "mean" else np.ravel(fill)[0]
    seen = IMAGES[(slice(None), *BLOCK, 0)].sum(axis=(1, 2))
    expected = np.zeros((5, SIZE, SIZE))
    expected[(slice(None), *BLOCK)] = (0.01 * (seen - 4 * red)).reshape(-1, 1, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_overlapping_squares_are_averaged():
    # A row of squares of 4 begins at 0, 2 and 4; pixels 2 to 5 are covered twice.
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


def test_network_that_sees_the_left_half_loses_nothing_on_the_right():
    model = pixel_model(np.abs(KERNEL), half=True)
    found = occlusion(model, IMAGES, class_index=0, patch=2, stride=2, fill=0)
    assert np.all(found[:, :, : SIZE // 2] > 0)
    np.testing.assert_allclose(found[:, :, SIZE // 2 :], 0, atol=1e-4)


def test_probability_may_be_measured():
    model = block_model()
    found = occlusion(model, IMAGES, 1, patch=2, stride=2, fill=0, measure="probability")
    covered = IMAGES.copy()
    covered[(slice(None), *BLOCK)] = 0
    drop = model.predict(IMAGES, verbose=0) - model.predict(covered, verbose=0)
    np.testing.assert_allclose(found[(slice(None), 2, 4)], drop[:, 1], atol=1e-5)


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
        ({"fill": (1, 2)}, "3 numbers"),
        ({"measure": "loss"}, "one of \\['logit', 'probability'\\]"),
        ({"class_index": "ants"}, "class_index='ants'"),
    ],
)
def test_wrong_argument_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        occlusion(pixel_model(), IMAGES, **arguments)
