import functools

import numpy as np
import pytest
from scipy import stats

from keras_transfer.explanations import (
    grad_cam,
    integrated_gradients,
    occlusion,
    randomization_test,
)
from keras_transfer.explanations.sanity_checks import _from_the_top, _rank_correlation
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.explanations.networks_to_explain import (
    IMAGES,
    KERNEL,
    assert_same_weights,
    pixel_model,
    weights_of,
)
from tests.networks import mobilenet, residual_backbone

SMALL = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
METHODS = {
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": functools.partial(grad_cam, plus_plus=True),
    "integrated_gradients": functools.partial(integrated_gradients, steps=4),
    "occlusion": functools.partial(occlusion, patch=4, stride=4),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_explanation_changes_with_the_weights_and_the_model_does_not(method):
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    before = weights_of(model)
    found = randomization_test(model, SMALL, method)
    assert_same_weights(model, before)
    stages = [stage.name for stage in model.backbone.stages]
    assert list(found) == ["head", *reversed(stages)]
    for correlations in found.values():
        assert correlations.shape == (3,)
        assert np.all(np.abs(correlations) <= 1)
    assert np.abs(found[stages[0]]).mean() < 0.8


def test_image_itself_is_no_explanation():
    def mean_colour(model, images, class_index):
        return images.mean(axis=-1)

    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    found = randomization_test(model, SMALL, mean_colour)
    np.testing.assert_allclose(np.stack(list(found.values())), 1.0)


def test_classes_stay_those_of_the_model_as_it_is():
    asked = []

    def method(model, images, class_index):
        asked.append((model.get_weights(), list(class_index)))
        return images

    model = pixel_model(np.abs(KERNEL), bias=(-1000.0, 0.0))
    randomization_test(model, IMAGES, method)
    assert [classes for _, classes in asked] == [[1] * 5] * 3
    randomization_test(model, IMAGES, method, class_index=0)
    assert asked[-1][1] == [0] * 5
    for values, _ in asked[1:3]:
        for value, own in zip(values, model.get_weights(), strict=True):
            np.testing.assert_array_equal(np.sort(value, axis=None), np.sort(own, axis=None))


def test_seed_decides_the_shuffling():
    model = TransferModel(residual_backbone(), SoftmaxHead(3))

    def first_layer(model, images, class_index):
        return images @ model.get_layer("conv1").get_weights()[0][0, 0]

    def correlations(seed):
        found = randomization_test(model, SMALL, first_layer, seed=seed)
        return np.stack(list(found.values()))

    np.testing.assert_array_equal(correlations(3), correlations(3))
    assert not np.array_equal(correlations(3), correlations(4))


def test_every_layer_is_randomized_once():
    model = TransferModel(mobilenet(), SoftmaxHead(3, hidden_units=(4,)))
    layers = [layer.name for _, group in _from_the_top(model) for layer in group]
    assert sorted(layers) == sorted(layer.name for layer in model.layers)
    parts = dict(_from_the_top(model))
    assert {"head_hidden_1", "head_output"} <= {layer.name for layer in parts["head"]}


def test_rank_correlation_is_spearmans():
    random = np.random.default_rng(0)
    first, second = random.normal(size=50), random.integers(0, 5, 50)
    expected = stats.spearmanr(first, second).statistic
    assert _rank_correlation(first, second) == pytest.approx(expected)
    assert _rank_correlation(first, np.exp(first)) == pytest.approx(1.0)
    assert _rank_correlation(first, np.zeros(50)) == 0.0


def test_several_heads_are_refused():
    model = TransferModel(residual_backbone(), {"a": SoftmaxHead(2), "b": SoftmaxHead(2)})
    with pytest.raises(ValueError, match="`head` must be one of"):
        randomization_test(model, SMALL, grad_cam)
