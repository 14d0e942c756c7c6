import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer._statistics.intervals import share_interval
from keras_transfer._statistics.linear_models import cross_validate
from keras_transfer.data import image_folder
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import stage_features
from keras_transfer.transferability import plot_probes, probe_layers
from keras_transfer.transferability.layer_probes import LayerProbes, StageProbe
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)
LABELS = np.arange(40) % 2
IMAGES = (RANDOM.uniform(0, 100, (40, 16, 16, 3)) + 30 * LABELS[:, None, None, None]).astype(
    "float32"
)


def dataset(*labels):
    return tf.data.Dataset.from_tensor_slices((IMAGES, *labels)).batch(16)


def test_each_stage_is_probed_from_one_pass(tmp_path):
    backbone, cache = residual_backbone(), FeatureCache(tmp_path)
    probes = probe_layers(backbone, dataset(LABELS), cache)
    assert [probe.stage for probe in probes.stages] == [s.name for s in backbone.stages]
    features = stage_features(backbone, dataset(LABELS), cache)
    assert features[0].num_computed == 0, "the pass is kept"
    for probe, found in zip(probes.stages, features, strict=True):
        assert probe.accuracy == cross_validate(found.features, LABELS).accuracy
    assert probes.stages[-1].num_parameters == backbone.count_params()
    assert probes.stages[-1].cka_to_next is None
    assert all(0 <= probe.cka_to_next <= 1 for probe in probes.stages[:-1])


def test_a_probe_is_tested_on_other_groups(tmp_path):
    noise = RANDOM.uniform(0, 255, IMAGES.shape)
    for number, image in enumerate(noise):
        path = tmp_path / "photos" / "ab"[LABELS[number]] / f"{number % 10}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, image, scale=False)

    def person_of(path):
        return path.rpartition("/")[-1].partition("_")[0]

    splits = image_folder(tmp_path / "photos", 16, group=person_of)
    backbone, cache = residual_backbone(), FeatureCache(tmp_path / "cache")
    found = stage_features(backbone, splits.train, cache)[-1]
    assert [int(person) % 2 for person in found.groups] == found.labels.tolist()
    assert sorted(found.groups) == sorted(splits.groups["train"]) != [*found.groups]
    probe = probe_layers(backbone, splits.train, cache).stages[-1]
    rows = found.features, found.labels
    np.testing.assert_array_equal(
        probe.correct, cross_validate(*rows, groups=found.groups).correct
    )
    assert (probe.correct != cross_validate(*rows).correct).any()
    assert probe.interval == share_interval(probe.correct, found.groups)


def test_what_a_cut_gains_is_measured(tmp_path):
    # Every probe is right: the first stage is as good as the last one.
    images = np.concatenate([IMAGES, IMAGES[:, ::-1]])
    labels = (images.mean((1, 2, 3)) > 65).astype(int)
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    backbone = residual_backbone()
    probes = probe_layers(backbone, data, FeatureCache(tmp_path))
    cut = backbone.truncated(probes.freeze_point)
    assert probes.dead_stages
    assert probes.megabytes == pytest.approx(
        (4e-6 * backbone.count_params(), 4e-6 * cut.count_params())
    )
    assert min(probes.images_per_second) > 0
    assert f"{4e-6 * backbone.count_params():.1f} MB." in probes.conclusion
    assert probes.to_json()["megabytes"] == probes.megabytes


def test_gain_is_in_the_conclusion():
    found = dataclasses.replace(
        probes_of(0.5, 0.9, 0.9), images_per_second=(1000.0, 2500.0), megabytes=(7.5, 2.0)
    )
    assert (
        "The truncated backbone is 2.5 times as fast on this machine (2,500 instead of 1,000 "
        "images/s) and takes 2.0 MB instead of 7.5 MB. The loss"
    ) in found.conclusion


def test_small_size_is_not_shown_as_nothing():
    found = dataclasses.replace(
        probes_of(0.5, 0.9, 0.9), images_per_second=(1000.0, 2500.0), megabytes=(1.6, 0.0164)
    )
    assert "takes 0.016 MB instead of 1.6 MB." in found.conclusion


def test_images_without_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="without labels"):
        probe_layers(residual_backbone(), dataset(), FeatureCache(tmp_path))


def probes_of(*shares):
    """Stages whose probes are right for the first part of 200 images."""
    stages = []
    for number, share in enumerate(shares, start=1):
        correct = np.arange(200) < share * 200
        interval = (share - 0.05, share + 0.05)
        figures = (-0.5, 0.9, 100 * number)
        name = f"stage{number}"
        stages.append(StageProbe(name, f"end{number}", share, interval, correct, *figures))
    return LayerProbes(tuple(stages), 200, "network")


@pytest.mark.parametrize(
    ("shares", "freeze_point", "dead"),
    [
        # 1 of 200 images more is not significant, 10 of the same 200 are.
        ((0.5, 0.9, 0.905), "end2", ("stage3",)),
        ((0.5, 0.85, 0.9), "end3", ()),
        ((0.9, 0.7, 0.6), "end1", ("stage2", "stage3")),
        ((0.9,), "end1", ()),
        # 2 of 200 more are no difference, but it may be more than 3 points.
        ((0.5, 0.89, 0.905), "end3", ()),
        # It is what follows that counts, not that the first is the best of all.
        ((0.9, 0.85, 0.85), "end1", ("stage2", "stage3")),
    ],
)
def test_cut_is_where_no_later_stage_is_better(shares, freeze_point, dead):
    probes = probes_of(*shares)
    assert probes.freeze_point == freeze_point
    assert probes.dead_stages == dead
    assert (": keep all" in probes.conclusion) == (not dead)
    is_unclear = shares == (0.5, 0.89, 0.905)
    assert ("It is not clear" in probes.conclusion) == is_unclear
    assert probes.unclear_boundary == ("end2" if is_unclear else None)
    assert f"truncate_at='{freeze_point}'" in probes.conclusion or not dead


def test_conclusion_says_how_much_can_be_dropped_and_what_it_may_cost():
    conclusion = probes_of(0.5, 0.9, 0.9).conclusion
    assert "33% of the parameters" in conclusion
    # The two never differ: 1.96 / 202.
    assert conclusion.endswith("at most 1.0 points (upper end of the 95% CI, n = 200).")


def test_what_follows_a_stage_gains_as_much_as_the_best_of_it():
    first, second, last = probes_of(0.5, 0.9, 0.8).gains_after
    assert first[0] < 0.4 < first[1]  # the second stage
    assert second[1] < 0
    assert last is None


def test_gains_count_groups():
    probes = probes_of(0.5, 0.6)
    assert probes.gains_after[0][0] > 0 and probes.freeze_point == "end2"
    # All images that the last stage gains are of one patient.
    grouped = dataclasses.replace(probes, groups=tuple(np.arange(200) // 20))
    assert grouped.gains_after[0][0] < 0 < grouped.gains_after[0][1]


def test_probes_as_json_and_as_a_table():
    probes = probes_of(0.5, 0.9, 0.9)
    content = probes.to_json()
    assert content["dead_stages"] == ["stage3"]
    assert content["stages"][0]["gain_after"][0] > 0.3
    assert content["stages"][-1]["gain_after"] is None
    assert "correct" not in content["stages"][0]
    heads, *rows = probes.rows()
    assert all(len(row) == len(heads) for row in rows)
    assert rows[1][2:4] == ("90.0%", "85.0% to 95.0%")


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.9, 0.9), (0.5, 0.89, 0.905)])
def test_probes_are_drawn(shares):
    probes = probes_of(*shares)
    accuracy, similarity = plot_probes(probes).axes
    assert len(accuracy.get_xticklabels()) == len(shares)
    assert len(similarity.patches) == len(shares) - 1
    is_cut = [line.get_linestyle() for line in accuracy.lines].count("--")
    assert is_cut == bool(probes.dead_stages)
