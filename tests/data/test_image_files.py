import numpy as np
import pytest
from PIL import Image

from keras_transfer.data.image_files import read_images


def write(path, mode="RGB", color=(200, 100, 50)):
    Image.new(mode, (12, 8), color).save(path)
    return path


def test_images_come_in_order_with_their_paths(tmp_path):
    red = write(tmp_path / "red.png", color=(255, 0, 0))
    cmyk = write(tmp_path / "cmyk.jpg", mode="CMYK", color=(0, 0, 0, 0))
    dataset, readable, unreadable = read_images([red, cmyk], image_size=(4, 6))
    images = np.concatenate(list(dataset))
    assert readable == [str(red), str(cmyk)]
    assert not unreadable
    np.testing.assert_allclose(images[0], np.tile([255.0, 0.0, 0.0], (4, 6, 1)), atol=1e-3)
    np.testing.assert_allclose(images[1], np.full((4, 6, 3), 255.0), atol=2)


def test_unreadable_files_are_named_and_the_others_read(tmp_path):
    good = write(tmp_path / "good.png")
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    dataset, readable, unreadable = read_images([bad, good], image_size=4)
    assert readable == [str(good)]
    assert [path for path, _ in unreadable] == [str(bad)]
    assert len(np.concatenate(list(dataset))) == 1


def test_absent_file_is_unreadable(tmp_path):
    dataset, readable, unreadable = read_images([tmp_path / "nowhere.jpg"], image_size=4)
    assert dataset is None
    assert not readable
    assert len(unreadable) == 1


@pytest.mark.parametrize("arguments", [{"image_size": 0}, {"image_size": 4, "channels": 2}])
def test_wrong_arguments_are_told(tmp_path, arguments):
    with pytest.raises(ValueError, match="Received"):
        read_images([write(tmp_path / "a.png")], **arguments)
