import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_image():
    """Makes a smooth image; another seed is another image."""

    def make(seed=0, size=(24, 32), mode="RGB"):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype="uint8")
        image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        return image.convert(mode)

    return make


@pytest.fixture
def folder(tmp_path, make_image):
    """Writes class folders: `{"ants": 3, "train/bees": 2}` says how many images in each."""

    def make(counts, name="images", suffix=".jpg"):
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for index, (class_folder, count) in enumerate(counts.items()):
            (root / class_folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                path = root / class_folder / f"{number:03d}{suffix}"
                make_image(seed=1000 * index + number).save(path)
        return root

    return make
