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
        return _pixels(image)


def decode_reduced_with_pillow(path, least_size):
    """A picture file, a JPEG at the largest of TensorFlow's ratios that leaves `least_size`.

    Args:
        path: the file, as str or bytes.
        least_size: `(height, width)` in pixels.

    Returns:
        `(pixels, extent)`: as of `decode_with_pillow`, and the `(height, width)`, float32, of
        the picture in them, which may end within the last pixel.
    """
    from PIL import Image

    with Image.open(path) as image:
        height, width = map(int, least_size)
        # Of a JPEG alone; it looks for the ratio as `decode_and_resize` does.
        drafted = image.draft(image.mode, (width, height))
        extent = image.size if drafted is None else drafted[1][2:]
        return _pixels(image), np.array(extent[::-1], dtype="float32")


def _pixels(image):
    from PIL import Image

    image.load()
    if image.mode.startswith("I"):  # "I;16" or, in an older Pillow, "I": 16 bit grey
        grey = (np.asarray(image, dtype="int64") >> 8).clip(0, 255).astype("uint8")
        image = Image.fromarray(grey)
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))
