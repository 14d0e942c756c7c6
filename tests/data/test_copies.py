"""Copies of an image, and images of a group, stay on one side of the split."""

import os

import numpy as np
import pytest
from PIL import ImageOps

from keras_transfer import data
from keras_transfer.data import copies
from keras_transfer.data.copies import similar_pairs
from keras_transfer.data.splitting import groups_of, stratified_split, units_of
from keras_transfer.data.thumbnails import thumbnails
from tests.photographs import compressed, drawing, made_up

COPIES = {
    "the same pixels": lambda image: image,
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "mirrored": ImageOps.mirror,
    "brighter": lambda image: image.point(lambda value: min(255, int(1.2 * value))),
    "cropped": lambda image: ImageOps.crop(image, image.width // 25),
    "cropped at one side": lambda image: image.crop((0, 0, image.width * 0.96, image.height)),
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_an_image_are_on_one_side(tmp_path, kind):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for seed in range(20):
            image = made_up(seed + 100 * (name == "dogs"))
            image.save(tmp_path / name / f"{seed}.png")
            COPIES[kind](image).save(tmp_path / name / f"copy of {seed}.jpg", quality=80)
    splits = data.image_folder(tmp_path, 16)
    sides = {
        split: {
            (os.path.dirname(path), path.rsplit(" ")[-1].split("/")[-1].split(".")[0])
            for path in paths
        }
        for split, paths in splits.paths.items()
    }
    assert splits.num_images == {"train": 64, "validation": 16}  # 0.2 * 40 of each class
    assert not sides["train"] & sides["validation"]


def test_images_of_two_classes_that_are_copies_are_on_one_side(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for seed in range(10):
            made_up(seed).save(
                tmp_path / name / f"{seed}{'.png' if name == 'cats' else '.jpg'}"
            )
    splits = data.image_folder(tmp_path, 16)
    names = {
        split: {os.path.basename(path).split(".")[0] for path in paths}
        for split, paths in splits.paths.items()
    }
    assert splits.num_images == {"train": 16, "validation": 4}
    assert not names["train"] & names["validation"]


def test_unrelated_images_are_no_copies():
    small, _ = thumbnails([np.asarray(made_up(seed)) for seed in range(60)])
    assert similar_pairs(small) == []
    assert similar_pairs(small[:1]) == similar_pairs(small[:0]) == []


def test_many_equal_images_are_joined(monkeypatch):
    monkeypatch.setattr(copies, "_BLOCK", 16)
    small, _ = thumbnails([np.asarray(made_up(0))] * 100 + [np.asarray(made_up(1))])
    units = units_of(
        [str(i) for i in range(101)],
        [map(str, pair) for pair in similar_pairs(small)],
        [None] * 101,
    )
    assert len(set(units[:100])) == 1 and units[100] not in units[:100]


def test_copies_are_looked_for_once(folder, monkeypatch):
    root = folder({"ants": 6, "bees": 6})
    first = data.image_folder(root, 8)

    def refuse(images):
        raise AssertionError

    monkeypatch.setattr(copies, "thumbnails", refuse)
    assert data.image_folder(root, 8).paths == first.paths


def people(folder, per_class=12):
    root = folder({"glad": per_class, "sad": per_class})
    return root, {
        f"{name}/{number:03d}.jpg": f"person {number % 6}"
        for name in ("glad", "sad")
        for number in range(per_class)
    }


def groups_by_split(splits, mapping):
    named = {split: set() for split in splits.paths}
    for split, paths in splits.paths.items():
        for path in paths:
            named[split].add(mapping["/".join(path.split("/")[-2:])])
    return named


@pytest.mark.parametrize("is_function", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_groups_are_on_one_side(folder, is_function, seed):
    root, mapping = people(folder)
    group = mapping
    if is_function:
        group = lambda path: mapping[os.path.relpath(path, root)]  # noqa: E731
    splits = data.image_folder(root, 8, group=group, seed=seed)
    named = groups_by_split(splits, mapping)
    assert not named["train"] & named["validation"]
    # 0.2 * 12 = 2.4 images of each class; a person has two.
    assert splits.class_counts["validation"] == {"glad": 2, "sad": 2}


def test_images_without_a_group_are_divided_alone(folder):
    root, mapping = people(folder)
    few = {path: name for path, name in mapping.items() if name == "person 1"}
    splits = data.image_folder(root, 8, group=few)
    assert splits.class_counts["validation"] == {"glad": 2, "sad": 2}
    sides = [
        {few.get("/".join(path.split("/")[-2:])) for path in paths}
        for paths in splits.paths.values()
    ]
    assert sum("person 1" in side for side in sides) == 1


def test_groups_of_given_splits_are_compared(folder):
    root = folder({"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2})
    with pytest.warns(data.DataWarning, match="Groups of the test split .*1, such as 'one'"):
        data.image_folder(root, 8, validation_split=None, group=lambda path: "one")


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (lambda path: "all", "Too few groups .*1 groups, such as 'all'"),
        (lambda path: path.split("/")[-2], "Too few groups .*2 groups, such as 'glad'"),
        (lambda path: None, "the group of at least one image"),
        ({"elsewhere.jpg": "a"}, "the group of at least one image"),
        ("camera", "must be a function .*Received: group='camera'"),
    ],
)
def test_wrong_groups_are_told_in_a_line(folder, group, message):
    root, _ = people(folder)
    with pytest.raises(ValueError, match=message) as error:
        data.image_folder(root, 8, group=group)
    assert "\n" not in str(error.value)


def test_large_groups_come_as_close_to_the_share_as_they_can():
    # Groups of 9 and 1, of 4 and 6: a fifth of each class of ten is 2.
    labels = [(0,)] * 10 + [(1,)] * 10
    units = ["a"] * 9 + ["b"] + ["c"] * 4 + ["d"] * 6
    for seed in range(5):
        _, set_aside = stratified_split(labels, units, 0.2, seed)
        assert set_aside == [9, 10, 11, 12, 13]


def test_a_unit_keeps_the_name_of_its_group():
    units = units_of(["5", "1", "3", "3"], [("1", "5")], [None, "b", "c", None])
    assert units == [" b", " b", " c", " c"]
    assert groups_of([], None, "") == []


def test_drawings_of_the_same_kind_are_no_copies():
    drawings = [np.asarray(drawing(seed)) for seed in range(14)]
    same = [np.asarray(compressed(drawing(seed))) for seed in (3, 7)]
    small, _ = thumbnails([*drawings, *same])
    assert similar_pairs(small) == [(3, 14), (7, 15)]
