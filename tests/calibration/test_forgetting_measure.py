import json

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.calibration import forgetting
from keras_transfer.calibration.forgetting_measure import Forgetting
from keras_transfer.features import FeatureCache
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.networks import residual_backbone


def bright_and_dark(size=60):
    random = np.random.default_rng(0)
    labels = np.arange(size) % 2
    levels = (60 + 120 * labels)[:, np.newaxis, np.newaxis, np.newaxis]
    images = np.clip(levels + random.normal(0, 20, (size, 16, 16, 3)), 0, 255)
    return tf.data.Dataset.from_tensor_slices((images.astype("float32"), labels)).batch(20)


def test_backbone_without_weights_has_forgotten(tmp_path):
    before, source, cache = residual_backbone(), bright_and_dark(), FeatureCache(tmp_path)
    model = TransferModel(before.copy(), SoftmaxHead(3))
    same = forgetting(before, model, source, cache)
    assert same.before == same.after
    # The predictions agree on all of the 60 images: 1.96 / 62.
    assert same.interval == pytest.approx((-0.0316, 0.0316), abs=1e-4)
    for variable in model.backbone.weights:
        variable.assign(0 * variable)
    found = forgetting(before, model, source, cache)
    assert found.before == 1.0 and found.after < 0.7
    assert found.interval[1] < 0 and found.conclusion.endswith("the backbone forgot.")
    assert json.loads(json.dumps(found.to_json()))["conclusion"] == found.conclusion


def test_images_in_another_order_are_compared_as_a_whole(tmp_path):
    before, source = residual_backbone(), bright_and_dark().unbatch().shuffle(60).batch(20)
    found = forgetting(before, before, source, FeatureCache(tmp_path))
    low, high = found.interval
    assert low <= 0 <= high


@pytest.mark.parametrize(
    ("interval", "expected"),
    [((-0.2, -0.1), "forgot"), ((-0.1, 0.1), "not significant"), ((0.1, 0.2), "improved")],
)
def test_conclusion_follows_the_interval(interval, expected):
    assert Forgetting(0.5, 0.5, interval, 10).conclusion.endswith(f" {expected}.")


def test_source_must_have_labels(tmp_path):
    images = bright_and_dark().map(lambda images, labels: images)
    backbone = residual_backbone()
    with pytest.raises(ValueError, match="`source_dataset` must have labels"):
        forgetting(backbone, backbone, images, FeatureCache(tmp_path))


@pytest.mark.parametrize("num_repeats", [0, True, 1.0])
def test_number_of_repeats_is_a_positive_integer(num_repeats):
    backbone = residual_backbone()
    with pytest.raises(ValueError, match="`num_repeats` must be a positive integer"):
        forgetting(backbone, backbone, bright_and_dark(), num_repeats=num_repeats)
