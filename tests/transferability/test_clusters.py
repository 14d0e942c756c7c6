import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import transferability
from keras_transfer.features import FeatureCache
from tests.networks import residual_backbone

COLOURS = np.array([[230, 20, 20], [20, 230, 20], [20, 20, 230]], "float32")
TRUE = np.arange(45) % 3


@pytest.fixture(scope="module")
def data():
    noise = np.random.default_rng(0).normal(0, 8, (45, 16, 16, 3))
    images = (COLOURS[TRUE][:, None, None] + noise).clip(0, 255).astype("float32")
    return tf.data.Dataset.from_tensor_slices(images).batch(16)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="tensorflow")


@pytest.fixture(scope="module")
def clusters(data, cache):
    return transferability.cluster(residual_backbone(), data, cache=cache)


def test_the_most_stable_number_of_clusters_is_that_of_the_colours(clusters):
    assert clusters.num_clusters == 3
    assert clusters.stability[3] == pytest.approx(1.0)
    assert all(len(set(clusters.labels[colour == TRUE])) == 1 for colour in range(3))
    for number, nearest in enumerate(clusters.representatives):
        assert set(clusters.labels[list(nearest)]) == {number}
    assert "3 clusters of 45 images" in clusters.conclusion
    assert len(clusters.rows()) == 4
    assert clusters.to_json()["labels"] == clusters.labels.tolist()


def test_figure_has_a_row_for_each_cluster(clusters, data):
    figure = transferability.plot_clusters(clusters, data)
    assert sum(bool(axes.images) for axes in figure.axes) == 18
    for row, nearest in enumerate(clusters.representatives):
        (drawn,) = figure.axes[6 * row].images
        colour = np.asarray(drawn.get_array()).mean(axis=(0, 1))
        assert colour.argmax() == COLOURS[TRUE[nearest[0]]].argmax()


def test_noise_has_no_stable_clusters(cache):
    images = np.random.default_rng(0).uniform(0, 255, (30, 16, 16, 3)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(images).batch(30)
    found = transferability.cluster(residual_backbone(), data, cache=cache)
    assert "too little to trust them" in found.conclusion


@pytest.mark.parametrize("number", [1, 23, 2.0, True])
def test_numbers_out_of_range_are_refused(number, data, cache):
    with pytest.raises(ValueError, match="`num_clusters` must be an integer from 2 to 22"):
        transferability.cluster(residual_backbone(), data, number, cache)


def test_few_images_are_refused(data, cache):
    with pytest.raises(ValueError, match=r"at least 20 images\. Received: 16"):
        transferability.cluster(residual_backbone(), data.take(1), cache=cache)
