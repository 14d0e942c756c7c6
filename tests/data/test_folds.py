"""Cross-validation: each image is in the test set of one fold."""

import collections

import pytest

from keras_transfer.data import image_folder
from tests.pictures import colour_folder

SPLITS = ("train", "validation", "test")


def folds(directory, number, **arguments):
    return [
        image_folder(directory, 8, fold=(index, number), **arguments) for index in range(number)
    ]


def test_each_image_is_tested_once(tmp_path):
    found = folds(colour_folder(tmp_path, ["train", "validation"]), 3)
    tested = [path for one in found for path in one.paths["test"]]
    assert len(tested) == len(set(tested)) == 36
    for one in found:
        assert collections.Counter(one.labels["test"]) == {0: 4, 1: 4, 2: 4}
        paths = [path for split in SPLITS for path in one.paths[split]]
        assert len(set(paths)) == len(paths) == 36
        assert set(one.labels["validation"]) == {0, 1, 2}


def test_images_of_the_test_folder_are_left_out(tmp_path):
    (one, _) = folds(colour_folder(tmp_path), 2)
    assert not any("test" in path.split("/")[-3:] for path in one.paths["test"])
    assert sum(one.num_images.values()) == 36


def test_groups_and_copies_stay_in_one_fold(tmp_path):
    directory = colour_folder(tmp_path, [])
    copied = directory / "red" / "0.png"
    (directory / "red" / "copy.png").write_bytes(copied.read_bytes())

    def camera(path):
        return path.rsplit("/", 1)[1][0] if "copy" not in path else None

    for one in folds(directory, 3, group=camera):
        sides = {split: set(map(camera, one.paths[split])) - {None} for split in SPLITS}
        assert not sides["test"] & (sides["train"] | sides["validation"])
        tested = {path.rsplit("/", 1)[1] for path in one.paths["test"] if "red" in path}
        assert ("copy.png" in tested) is ("0.png" in tested)


@pytest.mark.parametrize("fold", [(0, 1), (2, 2), (-1, 3)])
def test_wrong_folds_are_refused(tmp_path, fold):
    with pytest.raises(ValueError, match="fold="):
        image_folder(colour_folder(tmp_path), 8, fold=fold)


def test_too_many_folds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="too few for 50 folds"):
        image_folder(colour_folder(tmp_path, []), 8, fold=(0, 50))
