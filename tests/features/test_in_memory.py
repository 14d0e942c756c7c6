import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.features import FeatureCache
from keras_transfer.features.observed_source import in_memory
from keras_transfer.transferability import rank_backbones
from tests.networks import residual_backbone


@pytest.fixture
def pictures(splits):
    return splits.train


def counted(pictures):
    """The same pictures, and a list of where each pass over them started."""
    passes = []
    source = dataclasses.replace(
        pictures.source,
        examples=lambda start: passes.append(start) or pictures.source.examples(start),
    )
    number = source.num_images
    return data.LabeledDataset(pictures, pictures.class_names, number, source), passes


def test_pictures_are_decoded_once_and_their_features_are_one_entry(pictures, engine, tmp_path):
    observed, passes = counted(pictures)
    kept = in_memory(observed)
    assert passes == [0]
    cache = FeatureCache(tmp_path / "cache", engine=engine)
    network = residual_backbone("tf")
    found, labels = cache.extract(network, kept).arrays()
    assert passes == [0]
    num_computed = engine.num_images
    expected, expected_labels = cache.extract(network, pictures).arrays()
    assert engine.num_images == num_computed
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(labels, expected_labels)
    fresh = FeatureCache(tmp_path / "other", engine="tensorflow")
    computed, _ = fresh.extract(network, pictures).arrays()
    np.testing.assert_allclose(found, computed, rtol=1e-5)


def test_what_is_kept_starts_anywhere(pictures):
    kept = in_memory(pictures).source.examples(7)
    expected = pictures.source.examples(7)
    for (found, label), (picture, number) in zip(kept, expected, strict=True):
        np.testing.assert_array_equal(found, picture)
        assert label == number


def test_too_many_pictures_stay_where_they_are(pictures):
    size = pictures.num_images * (16 * 16 * 3 * 4 + 4)
    assert in_memory(pictures, most_bytes=size - 1) is pictures
    assert in_memory(pictures, most_bytes=size) is not pictures


def test_pictures_that_are_random_or_from_elsewhere_stay_as_they_are(pictures):
    augmented = data.augmentation.standard()(pictures)
    assert in_memory(augmented) is augmented
    foreign = tf.data.Dataset.from_tensor_slices(np.zeros((4, 8, 8, 3))).batch(2)
    assert in_memory(foreign) is foreign


@pytest.mark.parametrize("number", [3, 6])
def test_rank_reads_the_files_as_often_for_any_number_of_networks(pictures, tmp_path, number):
    observed, passes = counted(pictures)
    networks = {str(place): residual_backbone() for place in range(number)}
    rank_backbones(networks, observed, FeatureCache(tmp_path, engine="tensorflow"))
    # Features and rate of the first network, each with a look at the shapes, and one to keep.
    assert len(passes) == 5
