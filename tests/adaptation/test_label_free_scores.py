import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import adaptation, heads, models
from keras_transfer.data import image_folder
from tests.networks import residual_backbone
from tests.pictures import colour_folder


def test_score_is_highest_for_certain_and_diverse_predictions():
    certain = np.eye(4)
    for method in ("information", "nuclear"):
        best = adaptation.score(certain, method)
        assert best > adaptation.score(np.full((4, 4), 0.25), method)
        assert best > adaptation.score(np.eye(4)[[0, 0, 0, 0]], method)
    np.testing.assert_allclose(adaptation.score(certain), np.log(4), rtol=1e-5)
    np.testing.assert_allclose(adaptation.score(certain, "nuclear"), 1.0)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((0, 3))])
def test_score_needs_predictions(wrong):
    with pytest.raises(ValueError, match=r"\(images, classes\)"):
        adaptation.score(wrong)
    with pytest.raises(ValueError, match="`method` must be"):
        adaptation.score(np.eye(2), "entropy")


def planted_shift():
    """Rows of two domains, and hits that are as frequent as the first channel says."""
    random = np.random.default_rng(0)
    source, target = random.normal(size=(2, 600, 4))
    target[:, 0] -= 1
    right = [1 / (1 + np.exp(-2 * rows[:, 0])) for rows in (source, target)]
    return source, target, random.random(600) < right[0], right[1].mean()


@pytest.mark.parametrize("method", ["classifier", "kmm", "ulsif"])
def test_weights_bring_the_accuracy_nearer_to_that_of_the_target(method):
    source, target, hits, expected = planted_shift()
    weights = adaptation.importance_weights(source, target, method)
    assert weights.shape == (600,) and (weights >= 0).all()
    np.testing.assert_allclose(weights.mean(), 1.0)
    error = abs(np.average(hits, weights=weights) - expected)
    assert error < abs(hits.mean() - expected) / (1.5 if method == "ulsif" else 3)


@pytest.mark.parametrize("method", ["classifier", "kmm", "ulsif"])
def test_weights_of_the_same_domain_are_even(method):
    source, target = np.random.default_rng(1).normal(size=(2, 200, 3))
    weights = adaptation.importance_weights(source, target, method)
    assert weights.sum() ** 2 / np.square(weights).sum() > 100  # effectively more than half


def test_wrong_rows_and_methods_are_named():
    rows = np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"shapes \(4, 3\) and \(4, 2\)"):
        adaptation.importance_weights(rows, rows[:, :2])
    with pytest.raises(ValueError, match="at least two images"):
        adaptation.importance_weights(rows, rows[:1])
    with pytest.raises(ValueError, match="`method` must be one of"):
        adaptation.importance_weights(rows, rows, "kliep")


def test_expected_accuracy_has_an_interval_and_reads_no_target_labels():
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (30, 16, 16, 3)).astype("float32")
    labelled = tf.data.Dataset.from_tensor_slices((images, np.arange(30) % 3)).batch(8)
    found = [
        adaptation.estimate_accuracy(model, labelled, target)
        for target in (labelled, labelled.map(lambda images, labels: (images, labels * 0)))
    ]
    assert found[0] == found[1]
    low, high = found[0].interval
    assert 0 <= low <= found[0].accuracy <= high <= 1
    assert "Expected accuracy on the target" in found[0].conclusion
    assert found[0].to_json()["num_images"] == 30
    # Another model describes the images, and this one is right or wrong.
    assert adaptation.estimate_accuracy(model, labelled, labelled, before=model) == found[0]
    certain = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    certain.layers[-1].kernel.assign(certain.layers[-1].kernel * 100)
    target = labelled.map(lambda images, labels: images / 2)
    estimates = [
        adaptation.estimate_accuracy(model, labelled, target, before=before)
        for before in (None, certain)
    ]
    assert estimates[0].unweighted == estimates[1].unweighted
    assert estimates[0].effective_number != estimates[1].effective_number
    other = models.TransferModel(residual_backbone(), heads.SigmoidHead(3))
    with pytest.raises(ValueError, match="needs a model with one `SoftmaxHead`"):
        adaptation.estimate_accuracy(other, labelled, labelled)


def test_the_interval_of_an_expected_accuracy_counts_groups(tmp_path):
    folder = colour_folder(tmp_path / "photos", splits=None, per_class=12)
    model = models.TransferModel(residual_backbone(), heads.SoftmaxHead(3))
    kernel, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([0 * kernel, np.eye(3)[0]])  # always the first class

    def width(group):
        read = image_folder(folder, 16, group=group, validation_split=None, shuffle=False)
        estimate = adaptation.estimate_accuracy(model, read.train, read.train)
        low, high = estimate.interval
        return high - low

    # All images of a class are right, or none is.
    assert width(lambda path: path.split("/")[-2]) > 1.5 * width(None)
    assert width(lambda path: "one") == 1.0
