import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.backbones import graph
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import pooled_features, stage_features
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.networks import residual_backbone
from tests.pictures import colour_folder

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (10, 16, 16, 3)).astype("float32")
LABELS = np.arange(10) % 3


def dataset(labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(4)


def test_each_stage_is_the_mean_over_the_positions(tmp_path):
    backbone = residual_backbone()
    stages = stage_features(backbone, dataset(), FeatureCache(tmp_path))
    assert [stage.boundary for stage in stages] == [s.boundary for s in backbone.stages]
    for stage in stages:
        tensor = graph.boundaries(backbone)[stage.boundary]
        maps = keras.Model(backbone.input, tensor)(IMAGES, training=False).numpy()
        np.testing.assert_allclose(stage.features, maps.mean(axis=(1, 2)), atol=1e-4)
        np.testing.assert_array_equal(stage.labels, LABELS)


def test_fine_tune_finds_pooled_features(tmp_path):
    photos = data.image_folder(colour_folder(tmp_path / "photos"), image_size=16)
    train = data.augmentation.standard()(photos.train)
    cache = FeatureCache(tmp_path / "cache")
    backbone = residual_backbone()
    pooled = pooled_features(backbone, train, cache)
    assert pooled.num_computed == 18
    assert pooled.num_classes == 3
    head = TransferModel(backbone.copy(), SoftmaxHead(3, dropout=0.2))
    found = cache.extract(head, photos.train)
    assert found.extraction.num_images == 0
    np.testing.assert_array_equal(found.arrays()[0], pooled.features)


def test_trainable_layers_of_the_backbone_do_not_change(tmp_path):
    backbone = residual_backbone()
    before = [layer.trainable for layer in backbone.layers]
    pooled_features(backbone, dataset(), FeatureCache(tmp_path))
    stage_features(backbone, dataset(), FeatureCache(tmp_path))
    assert [layer.trainable for layer in backbone.layers] == before


@pytest.mark.parametrize("labels", [np.eye(3)[LABELS], LABELS[:, np.newaxis]])
def test_labels_become_class_indices(tmp_path, labels):
    pooled = pooled_features(residual_backbone(), dataset(labels), FeatureCache(tmp_path))
    np.testing.assert_array_equal(pooled.labels, LABELS)


def test_images_need_no_labels(tmp_path):
    unlabelled = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
    pooled = pooled_features(residual_backbone(), unlabelled, FeatureCache(tmp_path))
    assert pooled.labels is None
    assert pooled.features.shape == (10, 8)


def test_several_labels_per_image_are_an_error(tmp_path):
    several = dataset({"colour": LABELS, "size": LABELS})
    with pytest.raises(ValueError, match=r"one label.*Received: labels with"):
        pooled_features(residual_backbone(), several, FeatureCache(tmp_path))
