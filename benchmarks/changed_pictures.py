"""Pictures as copying, another light and another camera change them."""

import io

import numpy as np
from PIL import Image, ImageFilter, ImageOps


def resized(image, random):
    """At 40% to 80% of its size."""
    part = random.uniform(0.4, 0.8)
    return image.resize((round(part * image.width), round(part * image.height)))


def compressed(image, random):
    """As a JPEG of quality 30 to 50."""
    return _through_jpeg(image, int(random.integers(30, 51)))


def mirrored(image, random):
    """Left and right exchanged."""
    return ImageOps.mirror(image)


def cropped(image, random):
    """95% of width and height, from anywhere."""
    return _window(image, random.uniform(0, 0.05), random.uniform(0, 0.05), 0.95)


def cropped_around(image, random):
    """Without 5% at each side."""
    return _window(image, 0.05, 0.05, 0.9)


# What a copy may have gone through.
COPIES = (resized, compressed, mirrored, cropped, cropped_around)


def brighter(image, random):
    """1.3 times as light."""
    return image.point(lambda value: 1.3 * value)


def other_camera(image, random):
    """Blurred, noisy, of warmer colour, compressed."""
    blurred = image.filter(ImageFilter.GaussianBlur(image.width / 240))
    pixels = np.asarray(blurred, "float32") * (1.05, 1.0, 0.92)
    pixels += random.normal(0, 5, pixels.shape)
    return _through_jpeg(Image.fromarray(pixels.clip(0, 255).astype("uint8")), 75)


# What may differ between where pictures come from and where a model is used.
SHIFTS = (brighter, other_camera)


def opened(path):
    """A picture file in RGB."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _window(image, left, top, part):
    edges = left, top, left + part, top + part
    sizes = image.width, image.height, image.width, image.height
    return image.crop([round(edge * size) for edge, size in zip(edges, sizes, strict=True)])


def _through_jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")
