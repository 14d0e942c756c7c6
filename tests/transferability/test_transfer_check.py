import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.backbones import Backbone
from keras_transfer.features import FeatureCache
from keras_transfer.freezing import FreezeAll
from keras_transfer.plans import Phase, Plan
from keras_transfer.transferability import check_negative_transfer, transfer_check
from keras_transfer.transferability.transfer_check import NegativeTransfer
from tests.brightness import LABELS, dataset
from tests.networks import residual_backbone

SHORT = Plan([Phase(FreezeAll(), 3, 1e-2)])


def test_negative_transfer_is_settled_on_the_same_folds(tmp_path):
    backbone = residual_backbone()
    before = backbone.get_weights()
    found = check_negative_transfer(
        dataset(LABELS), backbone, SHORT, num_images=48, cache=FeatureCache(tmp_path)
    )
    assert found.num_images == 48
    assert len(found.pretrained) == len(found.random) == 2
    gain = np.mean(found.pretrained) - np.mean(found.random)
    assert found.difference[0] <= gain <= found.difference[1]
    assert found.to_json()["conclusion"] == found.conclusion
    for weights, expected in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_rows_of_a_table_are_also_fitted_by_logistic_regression(tmp_path):
    random = np.random.default_rng(0)
    size = random.normal(size=(40, 1)).astype("float32")
    columns = {
        "size": np.where(size > 2, np.nan, size),
        "town": random.choice([b"a", b"b"], (40, 1)),
    }
    rows = tf.data.Dataset.from_tensor_slices((columns, (size[:, 0] > 0).astype(int))).batch(8)
    backbone = Backbone.from_table(rows, hidden_units=(4,))
    found = check_negative_transfer(rows, backbone, SHORT, cache=FeatureCache(tmp_path))
    assert len(found.linear) == 2 and min(found.linear) > 0.8
    assert f"Logistic regression on the columns has {np.mean(found.linear):.1%}" in (
        found.conclusion
    )


def test_random_network_of_a_check_has_statistics_that_follow_the_images(monkeypatch):
    module = transfer_check
    plans = []

    def recorded(model, *arguments, plan, **more):
        plans.append(plan)

    monkeypatch.setattr(module, "fine_tune", recorded)
    check_negative_transfer(dataset(LABELS), residual_backbone(), num_images=48)
    found = [(plan.from_scratch, plan.phases[-1].freeze_policy.batch_norm) for plan in plans]
    assert found == 2 * [(False, "frozen")] + 2 * [(True, "trainable")]
    heads = {plan.phases[0].epochs for plan in plans}
    assert len(heads) == 1


@pytest.mark.parametrize("plan", ["auto", [Phase(FreezeAll(), 1, 1e-3)]])
def test_a_check_takes_a_plan(plan):
    with pytest.raises(ValueError, match="must be a `Plan` or None"):
        check_negative_transfer(dataset(LABELS), residual_backbone(), plan)


@pytest.mark.parametrize("num_folds", [1, 30])
def test_number_of_folds_is_checked(num_folds):
    with pytest.raises(ValueError, match=rf"Received: num_folds={num_folds}"):
        check_negative_transfer(dataset(LABELS), residual_backbone(), num_folds=num_folds)


@pytest.mark.parametrize(
    ("difference", "effect"),
    [
        ((0.01, 0.1), "helps"),
        ((-0.1, -0.01), "hurts"),
        ((-0.1, 0.1), "has no significant effect"),
    ],
)
def test_conclusion_follows_from_the_interval(difference, effect):
    found = NegativeTransfer((0.5, 0.7), (0.4, 0.4), difference, 100, 1.0)
    assert found.conclusion.startswith(f"Transfer {effect}: accuracy of 60.0% from pretrained")


@pytest.mark.parametrize("labels", [LABELS[:, np.newaxis], np.eye(3)[LABELS]])
def test_labels_of_any_form_are_numbers_of_classes(tmp_path, labels):
    found = check_negative_transfer(
        dataset(labels), residual_backbone(), SHORT, num_images=30, cache=FeatureCache(tmp_path)
    )
    assert found.num_images == 30
