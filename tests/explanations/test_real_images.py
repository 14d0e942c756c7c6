"""A pretrained network on photographs, with a head for two classes."""

import functools

import keras
import numpy as np
import pytest

from keras_transfer.data.image_files import read_images
from keras_transfer.explanations import (
    grad_cam,
    integrated_gradients,
    most_exciting,
    occlusion,
    randomization_test,
)
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.models.head_outputs import logits
from tests.networks import mobilenet

SIZE, EACH = 96, 6
WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


@pytest.fixture(scope="module")
def images(real_data):
    folders = [real_data / "hymenoptera" / "val" / name for name in ("ants", "bees")]
    paths = [str(path) for folder in folders for path in sorted(folder.iterdir())[:EACH]]
    dataset, found, _ = read_images(paths, (SIZE, SIZE), 3)
    assert len(found) == 2 * EACH
    return np.concatenate([batch.numpy() for batch in dataset])


@pytest.fixture(scope="module")
def model(real_data, images):
    model = TransferModel(
        mobilenet(SIZE, weights=real_data / "weights" / WEIGHTS), SoftmaxHead(2)
    )
    pooled = keras.Model(model.input, model.get_layer("head_pooling").output)
    features = pooled.predict(images, verbose=0)
    toward_bees = features[EACH:].mean(axis=0) - features[:EACH].mean(axis=0)
    middle = features.mean(axis=0) @ toward_bees
    kernel = np.stack([-toward_bees, toward_bees], axis=1)
    model.get_layer("head_output").set_weights([kernel, np.array([middle, -middle])])
    return model


def test_head_classifies_the_images(model, images):
    hits = logits(model, images).argmax(axis=1) == np.repeat([0, 1], EACH)
    assert hits.mean() > 0.7


@pytest.mark.parametrize("arguments", [{}, {"stage": "stage4"}, {"plus_plus": True}], ids=str)
def test_maps_are_shares_and_differ_between_the_classes(model, images, arguments):
    ants, bees = (grad_cam(model, images, wanted, **arguments) for wanted in (0, 1))
    for maps in (ants, bees):
        assert maps.shape == (2 * EACH, SIZE, SIZE)
        assert np.isfinite(maps).all()
        assert maps.min() >= 0
        # No position may raise the logit of the other class.
        assert set(maps.max(axis=(1, 2))) <= {0.0, 1.0}
    for pair in zip(ants, bees, strict=True):
        assert any(values.any() for values in pair)
        assert not np.allclose(*pair, atol=0.05)


def test_attributions_and_drops_are_opposite_for_opposite_logits(model, images):
    for method in (
        functools.partial(integrated_gradients, steps=4),
        functools.partial(occlusion, patch=48, stride=48),
    ):
        ants, bees = (method(model, images[:3], wanted) for wanted in (0, 1))
        assert np.isfinite(ants).all() and ants.any()
        np.testing.assert_allclose(ants, -bees, atol=1e-3 * np.abs(ants).max())


def test_explanation_is_lost_with_the_weights(model, images):
    before = [value.copy() for value in model.get_weights()]
    found = randomization_test(model, images[::6], grad_cam)
    assert list(found) == ["head", "stage5", "stage4", "stage3", "stage2", "stage1"]
    assert np.abs(found["stage1"].mean()) < 0.5
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_early_channels_see_a_part_of_the_image(model, images):
    for exciting in most_exciting(model, images, "stage2", [0, 5], num_images=2):
        heights = exciting.regions[:, 2] - exciting.regions[:, 0]
        assert np.all((heights > 0) & (heights < SIZE))
        assert exciting.projections.any(axis=(1, 2, 3)).all()
