import keras
import numpy as np
import pytest

from keras_transfer.backbones import Backbone
from keras_transfer.explanations import weight_change
from keras_transfer.explanations.learned_weights import learned_weights
from keras_transfer.freezing import FreezeNone, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.explanations.networks_to_explain import see_pixels
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")


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
    model.fit(IMAGES, np.arange(8) % 2, verbose=0)
    changes = weight_change(before, model)
    *earlier, last = changes.values()
    assert last > 0 and not any(earlier)
    statistics = backbone.get_layer("bn1")
    statistics.moving_variance.assign(100 * statistics.moving_variance)
    assert weight_change(before, model) == changes


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


def test_other_network_is_refused():
    inputs = keras.Input((8, 8, 3))
    other = Backbone.from_model(
        keras.Model(inputs, keras.layers.Conv2D(2, 1, name="see")(inputs))
    )
    with pytest.raises(
        ValueError, match=r"'see/bias' has the shape None before and \(2,\) after"
    ):
        weight_change(see_pixels(), other)
