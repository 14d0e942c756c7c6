import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import calibration, features, freezing, heads, models, retention
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (12, 16, 16, 3)).astype("float32")
LABELS = np.arange(12) % 3
DATA = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4)


def make(**arguments):
    return models.TransferModel(
        residual_backbone("tf"), heads.SoftmaxHead(3), freezing.UnfreezeLast(1), **arguments
    )


@pytest.fixture(scope="module")
def ends():
    """A model before and after a few steps at a high rate."""
    keras.utils.set_random_seed(0)
    before = make()
    after = before.copy()
    after.compile(keras.optimizers.Adam(0.05))
    after.fit(DATA, epochs=2, verbose=0)
    return before, after


def train(objectives, steps=8, memory=None):
    keras.utils.set_random_seed(0)
    model = make()
    start = model.get_weights()
    model.compile(keras.optimizers.Adam(0.02), objectives=objectives)
    data = models.joined(DATA, memory=memory) if memory is not None else DATA
    history = model.fit(data, epochs=steps // 3, verbose=0)
    return model, start, history.history


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_ends_of_the_interpolation_are_equal_to_the_last_bit(ends, share):
    found = retention.interpolate(*ends, share).get_weights()
    for one, other in zip(found, ends[int(share)].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_middle_has_the_mean_of_the_weights(ends):
    before, after = (model.get_weights()[0] for model in ends)
    middle = retention.interpolate(*ends, 0.25)
    np.testing.assert_allclose(middle.get_weights()[0], 0.75 * before + 0.25 * after)


def test_another_head_is_not_mixed(ends):
    before = models.TransferModel(ends[0].backbone.copy(), heads.SoftmaxHead(5))
    found = retention.interpolate(before, ends[1], 0.0)
    np.testing.assert_array_equal(found.get_weights()[-1], ends[1].get_weights()[-1])


def test_wrong_ends_are_named(ends):
    with pytest.raises(ValueError, match="`share` must be from 0 to 1"):
        retention.interpolate(*ends, 1.5)
    other = models.TransferModel(residual_backbone(channels=1), heads.SoftmaxHead(3))
    with pytest.raises(ValueError, match="must have the same backbone"):
        retention.interpolate(other, ends[1], 0.5)


def test_curve_ends_are_the_accuracies_of_the_models(ends, tmp_path):
    cache = features.FeatureCache(tmp_path)
    curve = retention.interpolation_curve(*ends, DATA, DATA, shares=(0.0, 1.0), cache=cache)
    expected = [float(np.mean(m.predict(IMAGES, verbose=0).argmax(1) == LABELS)) for m in ends]
    # Both have the same head and the same data here: one task is the other one.
    np.testing.assert_allclose(curve.new, expected)
    np.testing.assert_allclose(curve.old, expected)
    assert len(curve.rows()) == 3 and curve.to_json()["shares"] == (0.0, 1.0)


def test_forgetting_measures_the_earlier_classifier_itself(ends):
    found = calibration.forgetting(*ends, DATA, num_folds=2, num_repeats=1)
    accuracies = [
        float(np.mean(one.predict(IMAGES, verbose=0).argmax(1) == LABELS)) for one in
        (ends[0], models_with(ends[0], ends[1]))
    ]  # fmt: skip
    np.testing.assert_allclose(
        (found.classifier_before, found.classifier_after), accuracies, rtol=1e-6
    )
    assert "The earlier classifier itself has" in found.conclusion


def models_with(head_of, backbone_of):
    model = head_of.copy()
    model.backbone.set_weights(backbone_of.backbone.get_weights())
    return model


def test_probe_of_a_backbone_has_no_earlier_classifier(ends):
    found = calibration.forgetting(ends[0].backbone, ends[1], DATA, num_folds=2, num_repeats=1)
    assert found.classifier_before is None and "itself" not in found.conclusion


def moved(model, start):
    pairs = zip(model.get_weights()[:-2], start[:-2], strict=True)  # without the head
    return sum(float(np.square(one - other).sum()) for one, other in pairs)


@pytest.mark.parametrize("importance", [None, "fisher"])
def test_pull_keeps_the_weights_near_the_start(importance):
    pulled = moved(*train([retention.PullToStart(100.0, importance)])[:2])
    assert pulled < 0.5 * moved(*train([])[:2])


@pytest.mark.parametrize("on", ["features", "predictions"])
def test_distillation_is_zero_before_the_first_step_and_keeps_the_network(on):
    memory = tf.data.Dataset.from_tensor_slices(IMAGES[::-1] / 2).batch(4)
    objective = retention.Distillation(100.0, on=on)
    model, start, _ = train([objective], memory=memory)
    old = make()
    old.set_weights(start)
    naive = train([])[0]

    def difference(one):
        found = [m.observed(IMAGES / 2) for m in (one, old)]
        at = "pooled" if on == "features" else "logits"
        pair = [np.asarray(getattr(each, at)) for each in found]
        return float(np.square(pair[0] - pair[1]).mean())

    assert difference(model) < 0.5 * difference(naive)
    objective.begin(old, models.ObjectiveData(DATA))
    rows = models.Rows(IMAGES, *old.observed(IMAGES))
    np.testing.assert_allclose(objective.loss(models.Batch(rows)), 0, atol=1e-5)


def test_memory_without_labels_is_mixed_in_pairs():
    model, rows = make(), tf.constant([[1.0], [2.0], [4.0], [8.0]])
    for memory, expected in (
        # Shares of 1/8, 3/8, 5/8 and 7/8; the rest is the row before; the last of the first.
        (DATA.map(lambda images, labels: images), [[7.125], [1.375], [3.25], [7.5]]),
        (DATA, [[1.0], [2.0], [4.0], [8.0]]),
    ):
        objective = retention.Distillation()
        objective.begin(model, models.ObjectiveData(DATA, memory=memory))
        found = rows
        if objective.changes_inputs:
            found = objective.changed("memory", {"features": rows})["features"]
        np.testing.assert_allclose(found, expected)
    assert objective.changed("source", {"features": rows})["features"] is rows


def test_replay_needs_labels_of_the_head():
    for memory, received in (
        (DATA.map(lambda images, labels: images), "no labels"),
        (DATA.map(lambda images, labels: (images, labels + 1)), "a label 3"),
    ):
        with pytest.raises(ValueError, match=received):
            train([retention.Replay()], memory=memory)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`on` must be"):
        retention.Distillation(on="logits")
    with pytest.raises(ValueError, match="`importance` must be"):
        retention.PullToStart(importance="path")


def test_student_learns_the_mean_of_its_teachers(ends):
    student = make()
    student.compile(keras.optimizers.Adam(0.01))
    history = retention.distil(ends, student, DATA, epochs=10)
    assert history.history["loss"][-1] < history.history["loss"][0]
    with pytest.raises(ValueError, match="for the same classes"):
        retention.distil([], student, DATA)
