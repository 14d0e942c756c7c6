"""Image files, opened with a limit on what they may take in memory."""

import os

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
# A JPEG may have more pixels than Pillow's limit, since it is decoded at a part of its size.
# The decoder keeps all coefficients of a progressive one.
_JPEG_TIMES, _PROGRESSIVE_TIMES = 4, 2
_ORIENTATION_TAG, _TURNED = 0x0112, range(5, 9)


def open_file(source):
    """A Pillow image from a path or an open binary file, not loaded yet.

    Raises `ValueError` for a JPEG that is too large even for a reduced decoding, and what
    Pillow raises for other files.
    """
    from PIL import Image, JpegImagePlugin

    if not _is_jpeg(source):
        return Image.open(source, formats=FORMATS)
    # `Image.open` refuses what is large; the factory is all else that it calls for a JPEG.
    image = JpegImagePlugin.jpeg_factory(source)
    if image.width * image.height > most_pixels(image):
        image.close()
        raise ValueError(
            f"too many pixels: {image.width * image.height}, more than "
            f"{most_pixels(image)}: scale it down"
        )
    return image


def upright_size(path):
    """`(height, width)` of an image file as it is read, rotated by its EXIF orientation."""
    with open_file(path) as image:
        turned = image.getexif().get(_ORIENTATION_TAG, 1) in _TURNED
        return image.size if turned else image.size[::-1]


def most_pixels(image):
    """The limit on the pixels of a JPEG."""
    from PIL import Image

    times = _PROGRESSIVE_TIMES if image.info.get("progressive") else _JPEG_TIMES
    return times * (Image.MAX_IMAGE_PIXELS or float("inf"))


def is_large(image):
    """Whether an image has more pixels than may be decoded as a whole."""
    from PIL import Image

    return image.width * image.height > (Image.MAX_IMAGE_PIXELS or float("inf"))


def _is_jpeg(source):
    if isinstance(source, (str, bytes, os.PathLike)):
        with open(source, "rb") as file:
            return file.read(3) == b"\xff\xd8\xff"
    start = source.read(3)
    source.seek(0)
    return start == b"\xff\xd8\xff"
