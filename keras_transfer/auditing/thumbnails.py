"""Grey thumbnails: perceptual hashes, and the correlation of the details of two of them."""

import concurrent.futures
import hashlib
import io
import itertools
import os
import pathlib

import numpy as np
from PIL import Image, ImageOps

from keras_transfer.data.image_files import in_mode

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
# All crops of 0, 2.5% or 5% at each of the four sides.
_FINE_WINDOWS = tuple(
    (left, top, 1 - right, 1 - bottom)
    for left, top, right, bottom in itertools.product((0.0, 0.025, 0.05), repeat=4)
)
# The blur that is subtracted, in pixels of 32: coarse shapes correlate in unrelated images.
_BLUR = 2.0
# Steps by which the edges of a window are refined, as shares of a side.
_STEPS = (0.0125, 0.0125, 0.00625, 0.00625)


def thumbnails(images):
    """Uint8 thumbnails `(images, 64, 64)` and digests, equal for equal files or arrays."""
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        found = list(pool.map(_thumbnail, images))
    if not found:
        return np.zeros((0, SIDE, SIDE), "uint8"), []
    return np.stack([small for small, _ in found]), [digest for _, digest in found]


def open_image(image):
    """A path, an open file or an array as an upright Pillow image."""
    if isinstance(image, np.ndarray):
        return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return ImageOps.exif_transpose(Image.open(image))


def perceptual_hashes(small, windows=WINDOWS):
    """The perceptual hashes of windows of a thumbnail, rows of 64 bits as -1 and 1."""
    try:
        import imagehash
    except ImportError as error:
        raise ImportError("Near-duplicates need imagehash: pip install imagehash") from error
    bits = [imagehash.phash(part).hash.reshape(-1) for part in _cut(small, windows, SIDE)]
    return np.stack(bits).astype("float32") * 2 - 1


def windows_of(small, windows, side):
    """The windows of a thumbnail at `side` pixels, float32 of shape `(windows, side, side)`."""
    return np.stack([np.asarray(part) for part in _cut(small, windows, side)]).astype("float32")


def correlation_rows(images):
    """Images as rows whose products are their correlations; zeros for a constant image."""
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3)


def detail_correlation(cropped, whole):
    """The correlation of the details of two thumbnails, one cropped to match the other.

    The best of 81 crops is refined by moving its edges in ever smaller steps.
    """
    side = SIDE // 2
    other = windows_of(whole, WINDOWS[:1], side)
    similarity = correlation_rows(windows_of(cropped, _FINE_WINDOWS, side))
    window = _FINE_WINDOWS[int((similarity @ correlation_rows(other)[0]).argmax())]
    (other,) = correlation_rows(_details(other))
    for step in _STEPS:
        windows = [window, *_moved(window, step)]
        found = correlation_rows(_details(windows_of(cropped, windows, side))) @ other
        best, window = float(found.max()), windows[int(found.argmax())]
    return best


def _cut(small, windows, side):
    image = Image.fromarray(small)
    for window in windows:
        box = tuple(SIDE * edge for edge in window)
        yield image.resize((side, side), Image.Resampling.BILINEAR, box=box)


def _moved(window, step):
    """The windows within the image that have one edge moved by a step."""
    for edge, sign in itertools.product(range(4), (-step, step)):
        moved = window[edge] + sign
        if 0 <= moved <= 1:
            yield (*window[:edge], moved, *window[edge + 1 :])


def _details(images):
    from scipy.ndimage import gaussian_filter

    return images - gaussian_filter(images, (0, _BLUR, _BLUR))


def _thumbnail(image):
    if isinstance(image, np.ndarray):
        contents = repr((image.shape, image.dtype.str)).encode() + image.tobytes()
    else:
        contents = pathlib.Path(image).read_bytes()
        image = io.BytesIO(contents)
    digest = hashlib.sha256(contents).hexdigest()
    small = in_mode(open_image(image), "L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small), digest
