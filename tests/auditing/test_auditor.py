import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data
from keras_transfer.auditing import audit, plot_audit
from keras_transfer.auditing.audited_sets import features_in_order
from keras_transfer.data.image_files import read_images
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.data.pipeline import mixed_order
from keras_transfer.data.thumbnails import thumbnails
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import pooled_features
from tests.networks import residual_backbone
from tests.photographs import compressed, made_up
from tests.pictures import COLOURS


def photo(path, label, seed):
    """An image of a class: the shapes are chance, the tint is the class'."""
    tint = np.array(list(COLOURS.values())[label]) / 2
    pixels = np.asarray(made_up(seed, (48, 40))) / 2 + tint
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype("uint8")).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of 14 images, 12 more to test on; a copy, a wrong label."""
    directory = tmp_path_factory.mktemp("audit") / "photos"
    for label, name in enumerate(COLOURS):
        for number in range(14):
            photo(directory / f"train/{name}/{number:02}.png", label, 100 * label + number)
        for number in range(4):
            photo(directory / f"test/{name}/{number}.png", label, 1000 + 100 * label + number)
    with Image.open(directory / "train/red/03.png") as image:
        compressed(image.convert("RGB"), 60).save(directory / "test/red/copy.jpg")
    shutil.move(directory / "train/green/05.png", directory / "train/blue/wrong.png")
    return directory


def splits_of(folder, **arguments):
    return data.image_folder(folder, image_size=16, validation_split=None, **arguments)


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("new")
    for number in range(12):
        path = photo(directory / f"{number}.png", number % 3, 5000 + number)
        with Image.open(path) as image:
            image.point(lambda value: value * 0.5).save(path)
    (directory / "broken.png").write_bytes(b"not an image")
    return directory


@pytest.fixture(scope="module")
def found(folder, new_folder, tmp_path_factory):
    # Of nine seeds, eight give random features that tell the wrong label.
    keras.utils.set_random_seed(1)
    splits = splits_of(folder)
    groups = {"train": [("a", "b")[number % 2] for number in range(42)]}
    cache = FeatureCache(tmp_path_factory.mktemp("cache"))
    return audit(
        splits, new=new_folder, backbone=residual_backbone(), cache=cache, groups=groups
    )


def finding_of(found, kind):
    return next(finding for finding in found.findings if finding.kind == kind)


def test_what_was_planted_is_found(found):
    assert found.sizes == {"train": 42, "test": 13, "new": 12}
    (pair,) = found.duplicates.pairs
    assert pair.splits == ("train", "test") and pair.labels == (2, 2)
    assert [found.names[i][-12:] for i in (pair.first, pair.second)] == [
        "n/red/03.png", "red/copy.jpg",
    ]  # fmt: skip
    assert found.names[found.labels.errors[0].index].endswith("blue/wrong.png")
    assert found.labels.errors[0].suggested == "green"
    assert not any(shift.alarm for shift in found.shifts["test"])
    assert found.shifts["new"][1].alarm
    assert [group.group for group in found.groups] in (["a", "b"], ["b", "a"])
    assert [path[-10:] for path, _ in found.unreadable] == ["broken.png"]
    assert found.classes["train"].counts == {"blue": 15, "green": 13, "red": 14}


def test_findings_have_a_severity_and_a_conclusion(found):
    severities = [finding.severity for finding in found.findings]
    assert severities == sorted(severities, key=("alarm", "warning", "note").index)
    duplicates = finding_of(found, "duplicates")
    assert duplicates.severity == "alarm"
    assert duplicates.conclusion.startswith("Copies among 67 images: 1. Pairs across splits: 1")
    assert finding_of(found, "labels").severity == "warning"
    assert finding_of(found, "classes").severity == "note"
    assert finding_of(found, "classes").conclusion.startswith("Training set: 3 classes of 13")
    unreadable = finding_of(found, "unreadable").conclusion
    assert unreadable == "Files that cannot be read were left out: 'broken.png'."
    assert "Images without a group: 13 of 55." in finding_of(found, "groups").conclusion
    shifts = {
        f.conclusion.partition(":")[0]: f.severity for f in found.findings if f.kind == "shift"
    }
    assert shifts.pop("No significant shift from train to test") == "note"
    ((shift, severity),) = shifts.items()
    assert shift.startswith("Shift of ") and shift.endswith("appearance from train to new")
    assert severity == "alarm"


def test_it_becomes_json_and_markdown(found):
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["labels"]["errors"][0]["name"].endswith("wrong.png")
    assert content["shifts"]["new"]["appearance"]["alarm"] is True
    assert len(content["findings"]) == len(found.findings)
    text = found.to_markdown()
    for finding in found.findings:
        assert finding.conclusion in text
    for title in ("Copies", "Labels that", "Shift against", "Shortcut", "Groups", "Files"):
        assert f"## {title}" in text
    assert "wrong.png" in text and "copy.jpg" in text


def test_findings_are_rows_of_a_table(found):
    header, *rows = found.rows()
    assert header == ("severity", "about", "finding")
    assert [row[1] for row in rows] == [finding.kind for finding in found.findings]


def test_figure_has_a_panel_for_each_part(found):
    figure = plot_audit(found)
    figure.draw_without_rendering()
    titles = [panel.get_title(loc="left") for panel in figure.axes if panel.get_visible()]
    assert [title.split()[0] for title in titles] == [
        "Images", "Shortcut", "Shift", "Accuracy", "Copies:", "Labels",
    ]  # fmt: skip


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_are_in_the_order_of_the_paths(folder, tmp_path, shuffle):
    splits, backbone = splits_of(folder, shuffle=shuffle), residual_backbone()
    cache = FeatureCache(tmp_path)
    # As `fine_tune` keeps them, for which nothing is computed again.
    kept = pooled_features(backbone, splits.train, cache).features
    rows = features_in_order(splits, "train", backbone, cache)
    assert pooled_features(backbone, splits.train, cache).num_computed == 0
    images, *_ = read_images(splits.paths["train"], 16)
    expected = np.concatenate([backbone(batch, training=False) for batch in images])
    np.testing.assert_allclose(rows, expected.mean(axis=(1, 2)), atol=1e-3)
    assert np.array_equal(rows, kept) is not shuffle


def test_an_augmented_split_is_taken_before_its_changes(folder, tmp_path):
    splits, backbone = splits_of(folder), residual_backbone()
    changed = dataclasses.replace(splits, train=data.augmentation.standard()(splits.train))
    cache = FeatureCache(tmp_path)
    np.testing.assert_array_equal(
        features_in_order(changed, "train", backbone, cache),
        features_in_order(splits, "train", backbone, cache),
    )


def test_labels_of_another_order_are_refused(folder, tmp_path):
    splits = splits_of(folder)
    labels = {**splits.labels, "train": splits.labels["train"][::-1]}
    with pytest.raises(ValueError, match="are not in the order of its labels"):
        features_in_order(
            dataclasses.replace(splits, labels=labels), "train", residual_backbone(),
            FeatureCache(tmp_path),
        )  # fmt: skip


def test_datasets_give_what_splits_give(folder, found, tmp_path):
    splits = splits_of(folder)
    few = splits.test.unbatch().batch(9).take(1)
    cache = FeatureCache(tmp_path)
    other = audit(splits.train, test=few, backbone=residual_backbone(), cache=cache)
    assert other.sizes == {"train": 42, "test": 9}
    assert other.names[-1] == "test 8"
    # In the order in which the features are kept.
    wrong = [path[-9:] for path in splits.paths["train"]].index("wrong.png")
    row = mixed_order(42).tolist().index(wrong)
    assert other.names[row] == f"train {row}"
    (expected,), _ = thumbnails([splits.paths["train"][wrong]])
    correlation = np.corrcoef(other.images[row].ravel(), expected.ravel())[0, 1]
    assert correlation > 0.8
    assert {s.name for s in other.confounds.shortcuts} == {"border", "corners"}
    assert other.classes["train"] == found.classes["train"]
    assert (other.shifts, other.groups) == ({}, ())
    assert finding_of(other, "shift").conclusion == (
        "Too few images to test for a shift from train to test (n = 9)."
    )
    plot_audit(other).draw_without_rendering()


def noise(num_classes, seed):
    images = np.random.default_rng(seed).uniform(0, 255, (24, 16, 16, 3)).astype("float32")
    labels = np.arange(24) % num_classes
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)


def test_unnamed_classes_are_those_of_all_sets_and_any_level_can_be_asked_for(tmp_path):
    found = audit(
        noise(2, 0), noise(3, 1), noise(2, 2), backbone=residual_backbone(),
        cache=FeatureCache(tmp_path), level=0.004,
    )  # fmt: skip
    assert found.classes["train"].counts == {"0": 12, "1": 12, "2": 0}
    # Four tests of sets, each of two parts.
    assert {shift.level for pair in found.shifts.values() for shift in pair} == {0.001}


def test_a_level_of_zero_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1"):
        audit(
            noise(2, 0), noise(2, 1), backbone=residual_backbone(),
            cache=FeatureCache(tmp_path), level=0,
        )  # fmt: skip


def test_images_must_come_in_one_order(tmp_path):
    shuffled = noise(2, 0).unbatch().shuffle(24).batch(8)
    with pytest.raises(ValueError, match="in the same order in each pass"):
        audit(shuffled, backbone=residual_backbone(), cache=FeatureCache(tmp_path))


def unlabelled():
    return tf.data.Dataset.from_tensor_slices(np.zeros((4, 16, 16, 3))).batch(2)


def other_classes():
    images = tf.data.Dataset.from_tensor_slices((np.zeros((4, 16, 16, 3)), [0, 1, 0, 1]))
    return LabeledDataset(images.batch(2), ("a", "b"))


REFUSED = {
    "splits twice": (lambda s: {"train": s, "test": s.test}, "has its own splits"),
    "no dataset": (lambda s: {"train": "photos"}, "`train` must be a `tf.data.Dataset`"),
    "no labels": (lambda s: {"train": unlabelled()}, "must have labels"),
    "classes": (lambda s: {"train": s.train, "test": other_classes()}, "the same classes"),
    "group names": (lambda s: {"train": s, "groups": {"all": ["a"]}}, "Received: 1 for 'all'"),
    "groups": (lambda s: {"train": s, "groups": {"train": ["a"]}}, "Received: 1 for 'train'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(folder, tmp_path, case):
    arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        audit(
            **arguments(splits_of(folder)), backbone=residual_backbone(),
            cache=FeatureCache(tmp_path),
        )  # fmt: skip


def test_a_new_folder_must_be_there_and_contain_images(folder, tmp_path):
    splits, cache = splits_of(folder), FeatureCache(tmp_path / "cache")
    with pytest.raises(FileNotFoundError, match="Received: new="):
        audit(splits, new=tmp_path / "none", backbone=residual_backbone(), cache=cache)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="The folder contains no image"):
        audit(splits, new=tmp_path / "empty", backbone=residual_backbone(), cache=cache)
    assert not cache.entries(), "nothing was computed before"
    (tmp_path / "empty/broken.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match="No image in the folder"):
        audit(splits, new=tmp_path / "empty", backbone=residual_backbone(), cache=cache)
