"""Pictures that have what a photograph has, as far as copies of it go."""

import io

import numpy as np
from PIL import Image


def made_up(seed, size=(120, 96)):
    """A picture with shapes of all sizes, as a photograph has."""
    random = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(random.uniform(0, 255, (cells, cells, 3)).astype("uint8")).resize(
                size, Image.Resampling.BICUBIC
            ),
            dtype="float32",
        )
        for cells in (4, 9, 20)
    ]
    return Image.fromarray(np.mean(layers, axis=0).astype("uint8"))


def compressed(image, quality=40):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")
