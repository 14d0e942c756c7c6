import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.features import FeatureCache
from keras_transfer.transferability import plot_ranking, rank_backbones
from keras_transfer.transferability.rankings import CandidateScore, Ranking, source_classifier
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)
LABELS = np.arange(60) % 3
# The classes differ in how bright the middle is against the edge, at any brightness.
IMAGES = RANDOM.uniform(0, 100, (60, 1, 1, 3)) + np.zeros((60, 16, 16, 3))
IMAGES[:, 5:11, 5:11] += 40 * LABELS[:, np.newaxis, np.newaxis, np.newaxis]
IMAGES = (IMAGES + RANDOM.normal(0, 2, IMAGES.shape)).astype("float32")


def dataset(labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(16)


def edges():
    """A network that sees edges, and one whose one feature is always the same."""
    kernel = np.zeros((3, 3, 3, 2), "float32")
    kernel[1, 0, :, 0], kernel[1, 2, :, 0] = 1, -1
    kernel[:, :, :, 1] = 1
    for name, values in {"edges": kernel, "blind": np.zeros_like(kernel)}.items():
        inputs = keras.Input((16, 16, 3))
        conv = keras.layers.Conv2D(2, 3, activation="relu", name=f"conv_{name}")
        network = keras.Model(inputs, conv(inputs), name=name)
        conv.set_weights([values, np.ones(2)])
        yield Backbone.from_model(network)


def test_the_network_that_sees_what_matters_comes_first(tmp_path):
    blind, seeing = reversed(list(edges()))
    ranking = rank_backbones([blind, seeing], dataset(), FeatureCache(tmp_path))
    first, second = ranking.scores
    assert (first.name, second.name) == ("edges", "blind")
    assert first.accuracy > 0.9 > 0.6 > second.accuracy
    assert first.logme > second.logme
    assert first.h_score > second.h_score
    assert ranking.ranks == (1, 2)
    assert ranking.ties == ("edges",)
    assert first.num_parameters == seeing.count_params() == 3 * 3 * 3 * 2 + 2
    assert first.megabytes == pytest.approx(4 * first.num_parameters / 1e6)
    assert first.images_per_second > 0
    assert ranking.num_images == 60


def test_source_classifier_gives_leep_and_nce(tmp_path):
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    classifier = keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))
    ranking = rank_backbones(
        {"small": residual_backbone()},
        dataset(),
        FeatureCache(tmp_path),
        source_classifiers={"small": classifier},
    )
    (score,) = ranking.scores
    assert score.leep <= 0
    assert score.nce <= 0


@pytest.mark.parametrize(
    ("candidates", "message"),
    [([], "at least one"), ("twice", "names must differ"), (["MobileNetV9"], "MobileNetV2")],
)
def test_wrong_candidates_are_refused(tmp_path, candidates, message):
    if candidates == "twice":
        candidates = [residual_backbone(), residual_backbone()]
    with pytest.raises(ValueError, match=message):
        rank_backbones(candidates, dataset(), FeatureCache(tmp_path))


def test_classifier_of_no_candidate_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must be names of candidates.*Received: 'other'"):
        rank_backbones(
            residual_backbone(), dataset(), FeatureCache(tmp_path), {"other": keras.Model()}
        )


def test_images_without_labels_are_refused(tmp_path):
    unlabelled = tf.data.Dataset.from_tensor_slices(IMAGES).batch(16)
    with pytest.raises(ValueError, match="without labels"):
        rank_backbones(residual_backbone(), unlabelled, FeatureCache(tmp_path))


def score(name, accuracy, interval, speed):
    return CandidateScore(name, accuracy, interval, 0.0, 0.0, None, -0.5, 10, 4e-5, speed)


RANKING = Ranking(
    (
        score("a", 0.90, (0.88, 0.92), 100.0),
        score("b", 0.89, (0.87, 0.91), 300.0),
        score("c", 0.85, (0.83, 0.87), 200.0),
        score("d", 0.60, (0.55, 0.65), 900.0),
    ),
    num_images=500,
    seconds=1.0,
    chance=0.3,
)


def test_overlapping_intervals_are_a_tie():
    # c overlaps b in one point, but its interval lies below that of a.
    assert RANKING.ranks == (1, 1, 2, 4)
    assert RANKING.ties == ("a", "b")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "a and b do not differ significantly (n = 500)."),
        (
            {"scores": RANKING.scores[::3]},
            "a is significantly better than the others (n = 500).",
        ),
        (
            {"scores": RANKING.scores[:1]},
            "a: expected accuracy of 88.0% to 92.0% (n = 500).",
        ),
        ({"chance": 0.88}, "No backbone is significantly better than always predicting"),
    ],
)
def test_conclusion_follows_from_the_intervals(changed, message):
    ranking = dataclasses.replace(RANKING, **changed)
    assert message in ranking.conclusion
    assert ranking.to_json()["conclusion"] == ranking.conclusion
    plot_ranking(ranking).draw_without_rendering()


def test_front_holds_what_none_is_faster_and_better_than():
    assert RANKING.pareto_front == ("a", "b", "d")


def test_ranking_as_json_and_as_a_table():
    content = RANKING.to_json()
    assert [row["rank"] for row in content["candidates"]] == [1, 1, 2, 4]
    heads, *rows = RANKING.rows()
    assert all(len(row) == len(heads) for row in rows)
    assert rows[0][:4] == ("1", "a", "90.0%", "88.0% to 92.0%")


def test_ranking_is_drawn():
    accuracies, speeds = plot_ranking(RANKING).axes
    assert next(label.get_text() for label in accuracies.get_yticklabels()) == "a  1"
    (front,) = (line for line in speeds.lines if len(line.get_xdata()) > 1)
    assert list(front.get_xdata()) == [100.0, 300.0, 900.0]


def test_classifier_is_read_from_a_file_and_takes_raw_images(tmp_path):
    network = keras.applications.MobileNet(
        input_shape=(32, 32, 3), alpha=0.25, weights=None, classes=1000
    )
    network.save_weights(tmp_path / "top.weights.h5")
    classifier = source_classifier(
        "MobileNet", (32, 32, 3), tmp_path / "top.weights.h5", alpha=0.25
    )
    images = RANDOM.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(
        classifier(images), network(images / 127.5 - 1, training=False), atol=1e-6
    )
    images = tf.data.Dataset.from_tensor_slices((np.resize(IMAGES, (60, 32, 32, 3)), LABELS))
    backbone = Backbone("MobileNet", (32, 32, 3), None, alpha=0.25)
    ranking = rank_backbones(
        {"it": backbone}, images.batch(16), FeatureCache(tmp_path), {"it": classifier}
    )
    assert ranking.scores[0].leep <= 0
