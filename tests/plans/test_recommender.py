import dataclasses
import json
import types

import keras
import numpy as np
import pytest

from keras_transfer.data import Augmentation, image_folder
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import PooledFeatures, pooled_features
from keras_transfer.freezing import FreezeAll, FreezeNone
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from keras_transfer.plans import Phase, Plan, likeness, measure_likeness, recommend, recommender
from keras_transfer.plans.chooser import STRATEGIES
from keras_transfer.plans.likeness import Likeness
from keras_transfer.training import fine_tune
from tests.brightness import IMAGES, LABELS, dataset
from tests.networks import residual_backbone
from tests.pictures import colour_folder

ALIKE = Likeness(
    num_images=3000, num_classes=10, chance=0.1, accuracy=0.9, interval=(0.89, 0.91),
    random_accuracy=0.5, gain=(0.38, 0.42),
)  # fmt: skip


def test_recommendation_tells_its_reasons_with_the_numbers(tmp_path):
    backbone = residual_backbone()
    found = recommend(dataset(LABELS), backbone, FeatureCache(tmp_path))
    likeness = found.likeness
    assert likeness == measure_likeness(dataset(LABELS), backbone, FeatureCache(tmp_path))
    assert f"{likeness.accuracy:.1%}" in " ".join(found.reasons)
    assert f"{likeness.random_accuracy:.1%}" in " ".join(found.reasons)
    assert found.strategy in STRATEGIES
    content = json.loads(json.dumps(found.to_json()))
    assert Plan.from_json(content["plan"]) == found.plan
    heads, *rows = found.rows()
    assert all(len(row) == len(heads) for row in rows)


@pytest.mark.parametrize(
    ("gain", "told"),
    [((-0.2, -0.1), ["likely to hurt"]), ((-0.1, 0.1), ["may not help"]), ((0.1, 0.2), [])],
)
def test_likely_harm_is_warned_of(monkeypatch, gain, told):
    module = recommender
    likeness = dataclasses.replace(ALIKE, gain=gain)
    monkeypatch.setattr(module, "measure_likeness", lambda *arguments: likeness)
    warnings = recommend(dataset(LABELS), residual_backbone()).warnings
    assert len(warnings) == len(told)
    assert all(words in warning for words, warning in zip(told, warnings, strict=True))


def test_pictures_without_labels_are_told(tmp_path):
    with pytest.raises(ValueError, match="without labels"):
        recommend(dataset(), residual_backbone(), FeatureCache(tmp_path))


def test_fine_tune_takes_what_is_recommended(tmp_path):
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    cache = FeatureCache(tmp_path / "cache")
    found = recommend(dataset(LABELS), model.backbone, cache, batch_size=16)
    history = fine_tune(model, dataset(LABELS), plan="auto", cache=cache, verbose=0)
    assert history.plan == found.plan.with_exact_head()  # no network of `keras.applications`


@pytest.mark.parametrize("arguments", [{"plan": "best"}, {"plan": "auto", "time_budget": 5.0}])
def test_wrong_plans_are_told(arguments):
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    with pytest.raises(ValueError, match=r"Received: plan='(best|auto)'"):
        fine_tune(model, dataset(LABELS), verbose=0, **arguments)


def test_training_from_scratch_forgets_the_weights():
    backbone = residual_backbone()
    kernel = backbone.get_layer("conv_1").kernel
    before = kernel.numpy()
    plan = Plan([Phase(FreezeAll(), 1, 1e-3)], from_scratch=True)
    fine_tune(
        TransferModel(backbone, SoftmaxHead(3)), dataset(LABELS), plan=plan, verbose=0,
        cache=False,
    )  # fmt: skip
    assert not np.allclose(kernel.numpy(), before)


def test_training_from_scratch_ends_with_statistics_of_the_pictures():
    # With a momentum of 0.99, as here, 20 steps would come 18% of the way from 1 to the true
    # variance, which is thousands; with 0.999 it would be 2%.
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    plan = Plan([Phase(FreezeNone(batch_norm="trainable"), 5, 1e-5)], from_scratch=True)
    fine_tune(model, dataset(LABELS), plan=plan, cache=False, verbose=0)
    normalised = model.backbone.get_layer("bn1")
    inputs = keras.Model(model.backbone.input, normalised.input).predict(IMAGES, verbose=0)
    np.testing.assert_allclose(
        normalised.moving_variance.numpy(), inputs.var(axis=(0, 1, 2)), rtol=0.3
    )


def test_exact_head_is_left_out_where_it_cannot_be_solved(tmp_path, monkeypatch):
    module = recommender
    perfect = dataclasses.replace(ALIKE, interval=(0.995, 1.0))
    monkeypatch.setattr(module, "measure_likeness", lambda *arguments: perfect)
    for labels, solver in ((LABELS, "exact"), (np.eye(3)[LABELS], "adamw")):
        model = TransferModel(residual_backbone(), SoftmaxHead(3))
        cache = FeatureCache(tmp_path)
        history = fine_tune(model, dataset(labels), plan="auto", cache=cache, verbose=0)
        assert [phase.solver for phase in history.plan.phases] == [solver]


def test_stages_that_harm_are_left_out(tmp_path, monkeypatch):
    backbone = residual_backbone()
    cut = backbone.stages[0].boundary

    class Stage(PooledFeatures):
        def cross_validate(self, seed):
            return types.SimpleNamespace(correct=np.arange(1000) < 1000 * self.features)

    stages = [Stage(share, LABELS, None, "") for share in (0.9, 0.5, 0.5)]
    monkeypatch.setattr(recommender, "stage_features", lambda *arguments: stages)
    cache = FeatureCache(tmp_path)
    plan = recommend(dataset(LABELS), backbone, cache, truncate=True).plan
    assert plan.truncate_at == cut
    assert f"features after '{cut}' are significantly worse" in plan.reasons[0]
    assert plan.phases[0].solver == "exact"
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    whole = recommend(dataset(LABELS), backbone, FeatureCache(tmp_path)).plan
    assert whole.truncate_at is None
    model = TransferModel(residual_backbone(), SoftmaxHead(3))
    with pytest.raises(ValueError, match=f"truncate_at='{cut}'"):
        fine_tune(model, dataset(LABELS), plan=plan, verbose=0, cache=False)


def test_the_probe_sees_augmented_images(tmp_path):
    plain = image_folder(colour_folder(tmp_path / "photos"), image_size=16, batch_size=6).train
    backbone, cache = residual_backbone(), FeatureCache(tmp_path / "cache")
    assert measure_likeness(plain, backbone, cache).augmented_accuracy is None
    found = measure_likeness(Augmentation(brightness=1.0)(plain), backbone, cache)
    assert found.augmented_accuracy < found.accuracy == 1
    assert found.augmentation_loss > 0.08
    mixed = Augmentation(mixup=0.2)(plain)
    assert measure_likeness(mixed, backbone, cache).augmented_accuracy is None


def test_random_weights_and_augmentation_are_measured_on_a_sample(tmp_path, monkeypatch):
    folder = colour_folder(tmp_path / "photos", per_class=10)
    train = image_folder(folder, image_size=16, batch_size=6).train
    backbone, cache, sizes = residual_backbone(), FeatureCache(tmp_path / "cache"), []

    def pooled(*arguments, **options):
        found = pooled_features(*arguments, **options)
        sizes.append(len(found.labels))
        return found

    monkeypatch.setattr(likeness, "pooled_features", pooled)
    augmented = Augmentation(brightness=0.1)(train)
    whole = measure_likeness(augmented, backbone, cache)
    monkeypatch.setattr(likeness, "_SAMPLE", 12)
    monkeypatch.setattr(likeness, "_PER_CLASS", 4)
    found = measure_likeness(augmented, backbone, cache)
    assert sizes == [30, 30, 30, 30, 12, 12]
    assert (found.num_images, found.accuracy) == (whole.num_images, whole.accuracy)
    assert found.gain[1] - found.gain[0] > whole.gain[1] - whole.gain[0]
    # The sample is of all classes, though the files are sorted by class.
    labels = [int(label) for _, label in train.source.first(12).examples(2)]
    assert len(labels) == 10 and set(labels) == {0, 1, 2}
