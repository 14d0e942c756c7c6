import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.heads import SigmoidHead, SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tune, solve_head
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)


def pictures(num_classes, per_class=20):
    """Noise around one colour a class, with some that look like another class."""
    labels = np.repeat(np.arange(num_classes), per_class).astype("int32")
    colours = RANDOM.uniform(0, 255, (num_classes, 1, 1, 3))
    noise = RANDOM.normal(0, 60, (len(labels), 16, 16, 3))
    return (colours[labels] + noise).clip(0, 255).astype("float32"), labels


def features_of(model, folder, images, labels):
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(10)
    return FeatureCache(folder, engine="tensorflow").extract(model, dataset)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_gradient_of_the_penalised_loss_is_zero(tmp_path, num_classes):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(num_classes, dropout=0.5))
    features = features_of(model, tmp_path, *pictures(num_classes))
    penalty = solve_head(model, features)
    rows, labels = features.arrays()
    scale = rows.std(0)
    kernel, bias = model.get_layer("head_output").get_weights()
    probabilities = model({"head_pooling": rows}).numpy()
    error = (probabilities - np.eye(num_classes)[labels]) / len(labels)
    np.testing.assert_allclose(error.sum(0), 0, atol=2e-3)  # of the bias: no penalty
    # In units of scaled features the penalty pulls each coefficient towards zero.
    pull = penalty * kernel * scale[:, None]
    mean = rows.mean(0)
    np.testing.assert_allclose(((rows - mean) / scale).T @ error + pull, 0, atol=5e-3)
    assert bias.shape == (num_classes,)


def test_exact_phase_comes_first_in_a_plan(tmp_path):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
    images, labels = pictures(3)
    plan = Plan(
        [
            Phase(FreezeAll(), 1, 1e-3, solver="exact", name="exact"),
            Phase(UnfreezeLast(1), 2, 1e-4, name="tuning"),
        ]
    )
    assert Plan.from_json(plan.to_json()) == plan
    cache = FeatureCache(tmp_path, engine="tensorflow")
    history = fine_tune(
        model, (images, labels), (images, labels), plan=plan, cache=cache, verbose=0
    )
    assert history.phase == ["exact", "tuning", "tuning"]
    assert history.epoch == [0, 1, 2]
    assert history.history["accuracy"][0] > 0.75
    logs = model.evaluate(images, labels, verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx(max(history.history["val_accuracy"]))


def test_class_without_a_picture_is_never_predicted(tmp_path):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(4))
    images, labels = pictures(3)
    solve_head(model, features_of(model, tmp_path, images, labels))
    assert model.predict(images, verbose=0)[:, 3].max() < 1e-6


@pytest.mark.parametrize(
    ("head", "policy"),
    [
        (SoftmaxHead(3, hidden_units=(4,)), FreezeAll()),
        (SigmoidHead(3), FreezeAll()),
        (SoftmaxHead(3), UnfreezeLast(1)),
    ],
)
def test_other_heads_are_told(tmp_path, head, policy):
    model = TransferModel(residual_backbone("tf"), head, policy)
    features = features_of(model, tmp_path, *pictures(3))
    with pytest.raises(ValueError, match="softmax head without hidden layers"):
        solve_head(model, features)


def test_mixed_labels_are_told(tmp_path):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
    images, labels = pictures(3)
    features = features_of(model, tmp_path, images, keras.utils.to_categorical(labels, 3))
    with pytest.raises(ValueError, match="integer labels"):
        solve_head(model, features)


@pytest.mark.parametrize(
    ("num_classes", "class_weight", "told"),
    [
        (1, None, "two classes.*Received: 1 classes"),
        (2, {0: 0.0, 1: 0.0}, "Received: 2 classes"),
    ],
)
def test_what_cannot_be_solved_is_told(tmp_path, num_classes, class_weight, told):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(2))
    features = features_of(model, tmp_path, *pictures(num_classes))
    with pytest.raises(ValueError, match=told):
        solve_head(model, features, class_weight)


def test_features_that_are_no_numbers_are_told(tmp_path):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
    images, labels = pictures(3)
    images[0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        solve_head(model, features_of(model, tmp_path, images, labels))


def test_class_weights_move_the_head_towards_a_class(tmp_path):
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(2))
    images, labels = pictures(2)
    features = features_of(model, tmp_path, images, labels)
    means = []
    for weight in (0.1, 1.0, 10.0):
        solve_head(model, features, {1: weight})
        means.append(model.predict(images, verbose=0)[:, 1].mean())
    assert means[0] < means[1] < means[2]


def test_pictures_without_a_cache_are_told():
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
    plan = Plan([Phase(FreezeAll(), 1, 1e-3, solver="exact")])
    with pytest.raises(ValueError, match="needs cached features"):
        fine_tune(model, pictures(3), plan=plan, cache=False, verbose=0)


@pytest.mark.parametrize("plan", [None, "auto"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_head_of_a_cut_network_is_solved_where_it_can_be(tmp_path, plan, use_cache):
    backbone = residual_backbone("tf")
    boundary = backbone.stages[1].boundary
    model = TransferModel(backbone, SoftmaxHead(3), truncate_at=boundary)
    cache = FeatureCache(tmp_path, engine="tensorflow") if use_cache else False
    history = fine_tune(model, pictures(3), plan=plan, cache=cache, verbose=0)
    first = history.plan.phases[0]
    assert (first.solver == "exact") is use_cache
    assert any("is solved exactly" in reason for reason in history.plan.reasons) is use_cache


def test_exact_head_takes_the_place_of_a_trained_one_only():
    tuning = Phase(UnfreezeLast(1), 2, 1e-4)
    plan = Plan([Phase(FreezeAll(), 20, 1e-3), tuning], ["why"]).with_exact_head()
    assert [phase.solver for phase in plan.phases] == ["exact", "adamw"]
    assert plan.phases[0].epochs == 1
    assert plan.phases[1] == tuning
    assert plan.reasons[0] == "why"
    assert Plan([tuning]).with_exact_head() == Plan([tuning])


def test_sample_weights_count_as_in_a_training(tmp_path):
    images, labels = pictures(2)
    wrong = np.arange(len(labels)) % 4 == 0
    given = np.where(wrong, 1 - labels, labels).astype("int32")
    accuracies = []
    for index, weights in enumerate((np.ones(len(labels)), 1.0 - wrong)):
        keras.utils.set_random_seed(0)
        model = TransferModel(residual_backbone("tf"), SoftmaxHead(2))
        elements = images, given, weights.astype("float32")
        dataset = tf.data.Dataset.from_tensor_slices(elements).batch(10)
        cache = FeatureCache(tmp_path / str(index), engine="tensorflow")
        features = cache.extract(model, dataset)
        solve_head(model, features)
        found = model({"head_pooling": features.arrays()[0]}).numpy()
        accuracies.append(found[np.arange(len(labels)), labels].mean())
    assert accuracies[1] > accuracies[0] + 0.1


def test_label_without_an_output_is_told(tmp_path):
    images, labels = pictures(3)
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(2))
    with pytest.raises(ValueError, match=r"between 0 and 2, and the head has 2 classes"):
        solve_head(model, features_of(model, tmp_path, images, labels))
