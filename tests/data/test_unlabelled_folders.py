import shutil

import numpy as np
import pytest

from keras_transfer import data
from tests.pictures import colour_folder


def images_of(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def test_all_images_are_read_and_their_folders_tell_nothing(tmp_path):
    folder = colour_folder(tmp_path / "classes", splits=(), per_class=3)
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*.png"), reverse=True)):
        shutil.copy(path, flat / f"{number}.png")
    found = [data.unlabelled_folder(one, 16, shuffle=False) for one in (folder, flat)]
    assert found[0].num_images == 9 and found[0].class_names == ()
    np.testing.assert_array_equal(*map(images_of, found))
    assert found[0].source.fingerprint == found[1].source.fingerprint
    again = images_of(found[0].source.examples(4).batch(9))
    np.testing.assert_array_equal(again, images_of(found[0])[4:])


def test_augmented_images_keep_their_source(tmp_path):
    colour_folder(tmp_path, splits=(), per_class=3)
    augmented = data.augmentation.light()(data.unlabelled_folder(tmp_path, 16))
    assert augmented.source.augmentation is not None
    assert images_of(augmented).shape == (9, 16, 16, 3)
    with pytest.raises(ValueError, match="MixUp and CutMix need labels"):
        data.Augmentation(mixup=0.2)(data.unlabelled_folder(tmp_path, 16))


def test_an_absent_folder_and_a_corrupt_image_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="must exist and hold images"):
        data.unlabelled_folder(tmp_path / "absent", 16)
    colour_folder(tmp_path, splits=(), per_class=1)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1 of 4 images cannot be read: .*broken\.png"):
        data.unlabelled_folder(tmp_path, 16)
    assert data.unlabelled_folder(tmp_path, 16, on_unreadable="skip").num_images == 3
    with pytest.raises(ValueError, match="must be 'raise' or 'skip'"):
        data.unlabelled_folder(tmp_path, 16, on_unreadable="drop")
