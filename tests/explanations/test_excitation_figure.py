import numpy as np
import pytest
from PIL import Image

from keras_transfer.explanations import most_exciting, plot_exciting, plot_exciting_change
from tests.networks import residual_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (5, 16, 16, 3)).astype("float32")


@pytest.fixture(scope="module")
def exciting():
    return most_exciting(residual_backbone(), IMAGES, "add1", [0, 3], num_pictures=3)


def size_of(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def test_each_channel_has_its_rows(tmp_path, exciting):
    plot_exciting(exciting, tmp_path / "two.png")
    plot_exciting(exciting[:1], tmp_path / "one.png")
    plot_exciting_change(exciting, exciting, tmp_path / "change.png")
    assert size_of(tmp_path / "two.png")[1] > size_of(tmp_path / "one.png")[1]
    assert size_of(tmp_path / "change.png")[1] > size_of(tmp_path / "one.png")[1]


def test_channels_with_fewer_pictures_leave_room(tmp_path, exciting):
    few = most_exciting(residual_backbone(), IMAGES[:1], "add1", [0])
    plot_exciting([*exciting, *few], tmp_path / "few.png")
    assert size_of(tmp_path / "few.png")[0] > 0


def test_other_channels_are_not_set_beside_each_other(tmp_path, exciting):
    with pytest.raises(ValueError, match="the same channels of the same stage"):
        plot_exciting_change(exciting, exciting[::-1], tmp_path / "no.png")


@pytest.mark.parametrize(
    "draw", [plot_exciting, lambda x, path: plot_exciting_change(x, x, path)]
)
def test_nothing_is_not_drawn(tmp_path, draw):
    with pytest.raises(ValueError, match="nothing to draw"):
        draw([], tmp_path / "no.png")
