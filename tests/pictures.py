"""Folders of pictures that the tests draw."""

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 40, 30), "green": (30, 200, 60), "blue": (40, 60, 210)}


def draw(path, colour, seed, size=(40, 32)):
    """Writes a noisy picture of one colour."""
    noise = np.random.default_rng(seed).normal(0, 20, (size[1], size[0], 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype("uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def colour_folder(directory, splits=("train", "validation", "test"), per_class=6):
    """A folder whose classes are colours, with the given splits, or none."""
    for number, split in enumerate(splits or [""]):
        for name, colour in COLOURS.items():
            for index in range(per_class):
                seed = 1000 * number + 100 * len(name) + index
                draw(directory / split / name / f"{index}.png", colour, seed)
    return directory
