import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import pretraining
from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.pretraining import pairs_training
from keras_transfer.pretraining.pairs_training import _pairs, effective_rank
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (48, 16, 16, 3)).astype("float32")


def unlabelled(labels=None):
    elements = IMAGES if labels is None else (IMAGES, labels)
    return tf.data.Dataset.from_tensor_slices(elements).batch(16)


def new_model(policy=None):
    keras.utils.set_random_seed(0)
    return TransferModel(residual_backbone(), SoftmaxHead(3), policy or UnfreezeLast(1))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="tensorflow")


def weights(model):
    return {v.path: v.numpy() for v in model.backbone.variables}


@pytest.mark.parametrize("objective", [None, pretraining.SimCLR()])
def test_unfrozen_part_learns_to_tell_images_apart(objective, cache):
    model = new_model()
    before = weights(model)
    found = pretraining.self_supervised(
        model, unlabelled(), objective, epochs=4, views=4, batch_size=24, cache=cache
    )
    assert found.losses[-1] < found.losses[0]
    assert (found.num_images, len(found.losses)) == (48, 4)
    assert found.to_json()["conclusion"] == found.conclusion
    moved = {
        path for path, value in weights(model).items() if not (value == before[path]).all()
    }
    trained = {v.path for v in model.backbone.trainable_variables}
    assert moved and moved <= trained


def test_labels_have_no_effect(cache):
    found = []
    for labels in (np.zeros(48, int), np.arange(48) % 3):
        model = new_model()
        data = unlabelled(labels)
        pretraining.self_supervised(model, data, epochs=1, views=4, batch_size=24, cache=cache)
        found.append(weights(model))
    for path, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][path])


def test_the_same_call_after_a_kill_ends_with_the_same_weights(cache, monkeypatch):
    def train():
        model = new_model()
        pretraining.self_supervised(
            model, unlabelled(), epochs=2, views=4, batch_size=24, cache=cache
        )
        return weights(model)

    def killed(callback, epoch, logs=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pairs_training._Collapse, "on_epoch_end", killed)
        train()
    again, undisturbed = train(), train()
    for path, value in undisturbed.items():
        np.testing.assert_array_equal(value, again[path])


def test_a_pair_is_two_views_of_one_image(tmp_path):
    class Cached:
        num_images, views = 6, 4
        element_spec = (tf.TensorSpec((None, 1), "float32"),)
        in_memory = True

        @staticmethod
        def arrays(view):
            return (np.arange(6, dtype="float32")[:, None] + 10 * view,)

    for _ in range(2):
        ((first, second), _), *others = list(_pairs(Cached(), 3, seed=0))
        assert len(others) == 1
        assert (first.numpy() % 10 == second.numpy() % 10).all()
        assert (first.numpy() != second.numpy()).all()


@pytest.mark.parametrize(
    ("objective", "learning_rate"),
    [
        (pretraining.VICReg(variance=0.0, covariance=0.0), 1e-2),
        (pretraining.VICReg(), 1e6),
    ],
    ids=["the projections vanish", "the weights explode"],
)
def test_a_collapse_is_refused_and_the_weights_stay(objective, learning_rate, cache):
    model = new_model()
    before = weights(model)
    with pytest.raises(pretraining.CollapseError, match=r"features collapsed.*from before"):
        pretraining.self_supervised(
            model, unlabelled(), objective, epochs=40, views=4, batch_size=24,
            learning_rate=learning_rate, cache=cache,
        )  # fmt: skip
    for path, value in weights(model).items():
        np.testing.assert_array_equal(value, before[path])


def test_effective_rank_counts_directions():
    rows = np.random.default_rng(0).normal(size=(500, 1)) * np.ones(8)
    assert effective_rank(rows) == pytest.approx(1.0)
    assert effective_rank(np.vstack([np.eye(8), -np.eye(8)])) == pytest.approx(8.0)
    assert effective_rank(np.full((4, 3), np.nan)) == 0.0
    assert effective_rank(np.ones((4, 3))) == 0.0


def test_a_frozen_backbone_is_refused():
    with pytest.raises(ValueError, match=r"nothing could be learned.*UnfreezeLast\(2\)"):
        pretraining.self_supervised(new_model(FreezeAll()), unlabelled())


@pytest.mark.parametrize("arguments", [{"views": 3}, {"epochs": 0}, {"batch_size": 1}])
def test_arguments_out_of_range_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least"):
        pretraining.self_supervised(new_model(), unlabelled(), **arguments)


def test_few_images_are_refused(cache):
    with pytest.raises(ValueError, match="at least 16 images"):
        pretraining.self_supervised(
            new_model(), unlabelled().take(0 + 1).unbatch().take(8).batch(8), cache=cache
        )


def test_vicreg_by_hand():
    rows = np.array([[1.0, 0.0], [-1.0, 0.0]], "float32")
    pairs = np.stack([rows, rows + np.array([0.0, 0.2])], axis=1)
    # Squared differences: 0 and 0.04, the mean 0.02. Deviations: 1 and 0.01 of each view,
    # so the hinge is (0 + 0.99) / 2. No covariance.
    assert float(pretraining.VICReg()(None, pairs)) == pytest.approx(25 * (0.02 + 0.495), 1e-3)


def test_simclr_by_hand():
    pairs = np.repeat(np.eye(2, dtype="float32")[:, None], 2, axis=1)
    # Each view has similarity 1 with its partner and 0 with two others.
    expected = -np.log(np.e / (np.e + 2))
    assert float(pretraining.SimCLR(temperature=1.0)(None, pairs)) == pytest.approx(expected)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="`temperature` must be positive"):
        pretraining.SimCLR(temperature=0)
