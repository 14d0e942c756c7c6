"""Pillow's decoder, for the files that TensorFlow's does not read alike."""

import numpy as np


def decode_with_pillow(path):
    """The first frame of a picture file as uint8 of shape `(height, width, 3)`, not turned.

    Transparent pixels are laid on white; sixteen bits become eight by their upper half, as
    TensorFlow's PNG decoder does it.

    Args:
        path: the file, as str or bytes.
    """
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        if image.mode.startswith("I"):  # "I;16" or, in an older Pillow, "I": 16 bit grey
            grey = (np.asarray(image, dtype="int64") >> 8).clip(0, 255).astype("uint8")
            image = Image.fromarray(grey)
        elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return np.asarray(image.convert("RGB"))
