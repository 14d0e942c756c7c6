"""Grey thumbnails of images, to compare them by."""

import concurrent.futures
import hashlib
import io
import os
import pathlib

import numpy as np

from keras_transfer.data.opened_files import open_file
from keras_transfer.data.scanning import in_mode

SIDE = 64
# Parts of an image as left, top, right, bottom: the whole, and what crops leave of it.
WINDOWS = (
    (0.0, 0.0, 1.0, 1.0),
    (0.025, 0.025, 0.975, 0.975),
    (0.05, 0.05, 0.95, 0.95),
    (0.0, 0.0, 0.95, 0.95),
    (0.05, 0.0, 1.0, 0.95),
    (0.0, 0.05, 0.95, 1.0),
    (0.05, 0.05, 1.0, 1.0),
)
# More than half of the pixels of a drawing are the ground, which varies by at most this share
# of the image's range.
_GROUND_SHARE, _GROUND_RANGE = 0.5, 1 / 16
# The blur that is subtracted, in pixels of 32: coarse shapes correlate in unrelated images.
_BLUR = 2.0


def thumbnails(images):
    """Uint8 thumbnails `(images, 64, 64)` and digests, equal for equal files or arrays."""
    small, digests = np.zeros((len(images), SIDE, SIDE), "uint8"), []
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        for number, (one, digest) in enumerate(pool.map(_thumbnail, images)):
            small[number] = one
            digests.append(digest)
    return small, digests


def open_image(image, least_side):
    """A path, an open file or an array as an upright Pillow image.

    A JPEG is decoded at the smallest size whose sides are at least `least_side`.
    """
    from PIL import Image, ImageOps

    if isinstance(image, np.ndarray):
        return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    opened = open_file(image)
    opened.draft(opened.mode, (least_side, least_side))
    return ImageOps.exif_transpose(opened)


def is_drawing(small):
    """Whether a thumbnail shows lines or an object on an even ground."""
    width = int(_GROUND_RANGE * np.ptp(small)) + 1
    counts = np.cumsum(np.bincount(small.reshape(-1), minlength=256 + width))
    inside = counts[width:] - np.concatenate([[0], counts[: -width - 1]])
    return bool(inside.max() > _GROUND_SHARE * small.size)


def windows_of(small, windows, side):
    """The windows of a thumbnail at `side` pixels, float32 of shape `(windows, side, side)`."""
    return np.stack([np.asarray(part) for part in cut(small, windows, side)]).astype("float32")


def correlation_rows(images):
    """Images as rows whose products are their correlations; zeros for a constant image."""
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3)


def cut(small, windows, side):
    """Yields the windows of a thumbnail as Pillow images of `side` pixels."""
    from PIL import Image

    image = Image.fromarray(small)
    for window in windows:
        box = tuple(SIDE * edge for edge in window)
        yield image.resize((side, side), Image.Resampling.BILINEAR, box=box)


def details(images, blur=_BLUR):
    """Images of shape `(images, height, width)` without their coarse shapes."""
    from scipy.ndimage import gaussian_filter

    return images - gaussian_filter(images, (0, blur, blur))


def _thumbnail(image):
    from PIL import Image

    if isinstance(image, np.ndarray):
        contents = repr((image.shape, image.dtype.str)).encode() + image.tobytes()
    else:
        contents = pathlib.Path(image).read_bytes()
        image = io.BytesIO(contents)
    digest = hashlib.sha256(contents).hexdigest()
    opened = open_image(image, 2 * SIDE)
    # Whatever the range of its values: the thumbnail is compared by correlation.
    value_range = float(np.asarray(opened).max()) if opened.mode.startswith("I") else None
    small = in_mode(opened, "L", value_range or None)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)), digest
