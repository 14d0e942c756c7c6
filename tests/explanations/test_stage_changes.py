import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer._statistics.feature_measures import linear_cka
from keras_transfer.backbones import Backbone
from keras_transfer.explanations import compare_stages
from keras_transfer.explanations.stage_changes import learned_weights, weight_change
from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeNone, UnfreezeLast
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


def test_order_must_not_change():
    backbone = residual_backbone()
    with pytest.raises(ValueError, match="in the same order in each pass"):
        compare_stages(backbone, backbone, DATASET.unbatch().shuffle(30).batch(8))


def test_other_network_is_refused():
    with pytest.raises(ValueError, match="two states of the same network"):
        compare_stages(see_pixels(), residual_backbone(), DATASET)


def test_nothing_moved_in_a_copy():
    backbone = residual_backbone()
    changes = weight_change(backbone, backbone.copy())
    assert changes == {stage.name: 0.0 for stage in backbone.stages}


def test_change_is_the_length_of_the_difference_over_that_before():
    before, after = see_pixels(), see_pixels()
    # The identity has the length sqrt(3), and three entries move by 2: sqrt(12) / sqrt(3) = 2.
    after.get_layer("see").set_weights([3 * np.eye(3)[np.newaxis, np.newaxis]])
    assert weight_change(before, after) == {"stage1": pytest.approx(2.0)}
    before.get_layer("see").set_weights([np.zeros((1, 1, 3, 3))])
    assert weight_change(before, after) == {"stage1": 1.0}
    assert weight_change(before, before) == {"stage1": 0.0}


def test_only_trained_stages_move_and_statistics_do_not_count():
    backbone = residual_backbone()
    model = TransferModel(backbone, SoftmaxHead(2), UnfreezeLast(1))
    before = backbone.copy()
    model.compile("adam")
    model.fit(IMAGES[:8], np.arange(8) % 2, verbose=0)
    changes = weight_change(before, model.backbone)
    *earlier, last = changes.values()
    assert last > 0 and not any(earlier)
    statistics = backbone.get_layer("bn1")
    statistics.moving_variance.assign(100 * statistics.moving_variance)
    assert weight_change(before, model.backbone) == changes


def test_frozen_weights_are_compared_like_others():
    before, after = residual_backbone(), residual_backbone()
    trained = residual_backbone()
    FreezeNone().apply(trained)
    trained.set_weights(after.get_weights())
    assert weight_change(before, trained) == weight_change(before, after)


def test_constants_of_the_preprocessing_are_not_learned():
    layer = keras.layers.Normalization()
    layer.adapt(IMAGES)
    assert layer.weights and not learned_weights(layer)


def test_network_with_another_layer_is_refused():
    inputs = keras.Input((8, 8, 3))
    other = Backbone.from_model(
        keras.Model(inputs, keras.layers.Conv2D(2, 1, name="see")(inputs))
    )
    with pytest.raises(
        ValueError, match=r"'see/bias' has the shape None before and \(2,\) after"
    ):
        weight_change(see_pixels(), other)
