import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer._statistics.cka import linear_cka
from keras_transfer.explanations import StageChange, compare_stages, weight_change
from keras_transfer.features import FeatureCache
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.explanations.networks_to_explain import see_pixels
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (30, 16, 16, 3)).astype("float32")
DATASET = tf.data.Dataset.from_tensor_slices(IMAGES).batch(8)


def shaken(backbone, layer):
    """A copy with other weights in one layer."""
    copy = backbone.copy()
    random = np.random.default_rng(1)
    values = [random.normal(size=value.shape) for value in copy.get_layer(layer).get_weights()]
    copy.get_layer(layer).set_weights(values)
    return copy


def test_network_is_like_itself(tmp_path):
    backbone = residual_backbone()
    changes = compare_stages(backbone, backbone.copy(), DATASET, FeatureCache(tmp_path))
    assert [change.stage for change in changes] == [stage.name for stage in backbone.stages]
    assert [change.boundary for change in changes] == [s.boundary for s in backbone.stages]
    for change in changes:
        assert change.similarity == pytest.approx(1.0)
        assert change.weight_change == 0.0


def test_stages_before_the_change_stay_alike_and_those_behind_it_do_not(tmp_path):
    before = residual_backbone()
    after = shaken(before, "down2")
    stages = before.stages
    changed = next(i for i, stage in enumerate(stages) if "down2" in stage.layers)
    changes = compare_stages(before, after, DATASET, FeatureCache(tmp_path))
    moved = weight_change(before, after)
    assert [change.weight_change for change in changes] == list(moved.values())
    assert [bool(change.weight_change) for change in changes] == [
        number == changed for number in range(len(stages))
    ]
    for number, change in enumerate(changes):
        assert (change.similarity == pytest.approx(1.0)) == (number < changed)


def test_similarity_is_that_of_the_averaged_features(tmp_path):
    before = residual_backbone()
    after = shaken(before, "conv1")
    changes = compare_stages(
        TransferModel(before, SoftmaxHead(2)),
        TransferModel(after, SoftmaxHead(3)),
        DATASET,
        FeatureCache(tmp_path),
    )
    features = [model.predict(IMAGES, verbose=0).mean(axis=(1, 2)) for model in (before, after)]
    assert changes[-1].similarity == pytest.approx(linear_cka(*features), abs=1e-4)


def test_pictures_must_come_in_one_order():
    backbone = residual_backbone()
    with pytest.raises(ValueError, match="in the same order in each pass"):
        compare_stages(backbone, backbone, DATASET.unbatch().shuffle(30).batch(8))


def test_other_network_is_refused():
    with pytest.raises(ValueError, match="two states of the same network"):
        compare_stages(see_pixels(), residual_backbone(), DATASET)


def test_change_goes_into_json():
    change = StageChange("stage1", "add1", 0.5, 0.25)
    assert json.loads(json.dumps(change.to_json())) == dataclasses.asdict(change)
