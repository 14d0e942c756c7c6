"""Pictures that have what a photograph or a drawing has, as far as copies of it go."""

import io

import numpy as np
from PIL import Image, ImageDraw


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


def drawing(seed, size=(300, 200), width=4):
    """A guitar in black lines on white: of the same outline as others, with its own details."""
    random = np.random.default_rng(seed)
    image = Image.new("L", (2 * size[0], 2 * size[1]), 255)
    draw = ImageDraw.Draw(image)

    def shape(kind, x, y, across, down, fill=None):
        x, y = x + random.uniform(-0.005, 0.005), y + random.uniform(-0.005, 0.005)
        box = (x - across, y - down, x + across, y + down)
        box = [value * side for value, side in zip(box, image.size * 2, strict=True)]
        getattr(draw, kind)(box, outline=0, width=width, fill=fill)

    shape("ellipse", 0.22, 0.5, 0.16, 0.36)
    shape("ellipse", 0.42, 0.5, 0.11, 0.26)
    shape("rectangle", 0.68, 0.5, 0.2, 0.04)
    shape("rectangle", 0.92, 0.5, 0.04, 0.08)
    hole = random.uniform(0.02, 0.06)
    shape("ellipse", 0.36, 0.5, hole, 1.5 * hole, int(random.choice([0, 255])))
    for _ in range(random.integers(4, 12)):
        shape("rectangle", random.uniform(0.5, 0.86), 0.5, 0.002, 0.04)
    return image.resize(size, Image.Resampling.LANCZOS).convert("RGB")
