import numpy as np
import pytest

from keras_transfer.relations import Hierarchy, least_cost, mistake_distance

PETS = Hierarchy.from_edges(
    {"pug": "dog", "beagle": "dog", "tabby": "cat", "dog": "pet", "cat": "pet"}
)  # in the order beagle, pug, tabby


def test_least_cost_minimizes_the_expected_distance():
    probabilities = np.array([[0.35, 0.25, 0.4], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
    # Beagle: 0.25 * 1 + 0.4 * 2 = 1.05; pug: 0.35 + 0.8 = 1.15; tabby: 0.6 * 2 = 1.2.
    assert least_cost(probabilities, PETS).tolist() == [[0, 1, 2], [2, 0, 1], [0, 1, 2]]


def test_least_cost_of_equal_distances_is_the_order_of_probability():
    flat = Hierarchy.from_edges({"a": "x", "b": "x", "c": "x"})
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    expected = np.argsort(-probabilities, axis=1)
    assert np.array_equal(least_cost(probabilities, flat), expected)


def test_distance_of_mistakes_by_hand():
    probabilities = np.array([[0.35, 0.25, 0.4], [0.6, 0.3, 0.1], [0.0, 0.9, 0.1]])
    found = mistake_distance(probabilities, np.array([0, 1, 1]), PETS)
    # By probability: tabby for a beagle (2), beagle for a pug (1). By least cost: the second.
    assert found.accuracy == pytest.approx((1 / 3, 2 / 3))
    assert found.of_mistakes == (1.5, 1.0)
    assert found.to_json()["num_images"] == 3
    assert "by least cost" in found.conclusion
    assert len(found.rows()) == 3


def test_without_mistakes_there_is_no_distance():
    assert mistake_distance(np.eye(3), np.arange(3), PETS).of_mistakes == (None, None)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [0, -1, 2]])
def test_labels_must_fit(labels):
    with pytest.raises(ValueError, match="`labels` must be a number from 0 to 2"):
        mistake_distance(np.eye(3), np.array(labels), PETS)


def test_columns_must_fit():
    with pytest.raises(ValueError, match="a column for each of the 3 classes"):
        least_cost(np.eye(2), PETS)


def test_the_difference_counts_groups():
    # Least cost takes a beagle for a tabby: right for the images of two of four owners.
    probabilities = np.tile([0.35, 0.25, 0.4], (40, 1))
    labels = np.where(np.arange(40) < 20, 0, 2)
    alone = mistake_distance(probabilities, labels, PETS).difference
    low, high = mistake_distance(probabilities, labels, PETS, np.arange(40) // 10).difference
    assert high - low > 1.5 * (alone[1] - alone[0])
