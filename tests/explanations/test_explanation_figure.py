import numpy as np
import pytest
from PIL import Image

from keras_transfer.explanations import plot_explanations

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (2, 12, 16, 3))
MAPS = {
    "Grad-CAM": RANDOM.uniform(0, 1, (2, 12, 16)),
    "integrated gradients": RANDOM.normal(size=(2, 12, 16, 3)),
    "nothing": np.zeros((2, 12, 16)),
}


def size_of(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def test_grid_grows_with_the_pictures_and_the_methods(tmp_path):
    plot_explanations(IMAGES, MAPS, tmp_path / "all.png", titles=["ants\n93% sure", "$bees$"])
    plot_explanations(IMAGES[:1], MAPS["Grad-CAM"][:1], tmp_path / "one.png")
    width, height = size_of(tmp_path / "all.png")
    assert width > size_of(tmp_path / "one.png")[0]
    assert height > size_of(tmp_path / "one.png")[1]


def test_pictures_without_colour_are_drawn(tmp_path):
    plot_explanations(IMAGES[..., :1].astype("uint8"), MAPS["Grad-CAM"], tmp_path / "grey.png")
    assert size_of(tmp_path / "grey.png")[0] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"images": IMAGES[:0], "maps": {}},
        {"maps": {"a": MAPS["Grad-CAM"][:1]}},
        {"maps": MAPS["Grad-CAM"][:1]},
        {"titles": ["one"]},
    ],
)
def test_counts_that_differ_are_told(tmp_path, arguments):
    arguments = {"images": IMAGES, "maps": MAPS, "path": tmp_path / "no.png", **arguments}
    with pytest.raises(ValueError, match="a map and a title for each"):
        plot_explanations(**arguments)
    assert not list(tmp_path.iterdir())
