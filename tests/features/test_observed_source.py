import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.features import FeatureCache
from keras_transfer.features.observed_source import in_memory
from keras_transfer.transferability import rank_backbones
from tests.networks import residual_backbone


@pytest.fixture
def dataset(splits):
    return splits.train


def counted(dataset):
    """The same dataset, and a list of where each pass over it started."""
    passes = []
    source = dataclasses.replace(
        dataset.source,
        examples=lambda start: passes.append(start) or dataset.source.examples(start),
    )
    number = source.num_images
    return LabeledDataset(dataset, dataset.class_names, number, source), passes


def test_images_are_decoded_once_and_share_one_entry(dataset, engine, tmp_path):
    observed, passes = counted(dataset)
    kept = in_memory(observed)
    assert passes == [0]
    cache = FeatureCache(tmp_path / "cache", engine=engine)
    network = residual_backbone("tf")
    found, labels = cache.extract(network, kept).arrays()
    assert passes == [0]
    num_computed = engine.num_images
    expected, expected_labels = cache.extract(network, dataset).arrays()
    assert engine.num_images == num_computed
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(labels, expected_labels)
    fresh = FeatureCache(tmp_path / "other", engine="tensorflow")
    computed, _ = fresh.extract(network, dataset).arrays()
    np.testing.assert_allclose(found, computed, rtol=1e-5)


def test_images_in_memory_can_start_anywhere(dataset):
    kept = in_memory(dataset).source.examples(7)
    expected = dataset.source.examples(7)
    for (found, label), (picture, number) in zip(kept, expected, strict=True):
        np.testing.assert_array_equal(found, picture)
        assert label == number


def test_images_above_the_limit_are_not_held_in_memory(dataset):
    size = dataset.num_images * (16 * 16 * 3 * 4 + 4)
    assert in_memory(dataset, most_bytes=size - 1) is dataset
    assert in_memory(dataset, most_bytes=size) is not dataset


def test_random_or_foreign_images_are_not_held_in_memory(dataset):
    augmented = data.augmentation.standard()(dataset)
    assert in_memory(augmented) is augmented
    foreign = tf.data.Dataset.from_tensor_slices(np.zeros((4, 8, 8, 3))).batch(2)
    assert in_memory(foreign) is foreign


@pytest.mark.parametrize("number", [3, 6])
def test_number_of_passes_does_not_depend_on_the_number_of_networks(dataset, tmp_path, number):
    observed, passes = counted(dataset)
    networks = {str(place): residual_backbone() for place in range(number)}
    rank_backbones(networks, observed, FeatureCache(tmp_path, engine="tensorflow"))
    # Features and rate of the first network, each with a look at the shapes, and one to keep.
    assert len(passes) == 5
