"""Small grey pictures, and what is compared of them."""

import concurrent.futures
import hashlib
import io
import itertools
import os
import pathlib

import numpy as np

SIDE = 64
# Parts of a picture as left, top, right, bottom: the whole, and what a crop would have left.
WINDOWS = (
    (0.0, 0.0, 1.0, 1.0),
    (0.025, 0.025, 0.975, 0.975),
    (0.05, 0.05, 0.95, 0.95),
    (0.0, 0.0, 0.95, 0.95),
    (0.05, 0.0, 1.0, 0.95),
    (0.0, 0.05, 0.95, 1.0),
    (0.05, 0.05, 1.0, 1.0),
)
# All that cut off nothing, 2.5% or 5% at each of the four sides.
FINE_WINDOWS = tuple(
    (left, top, 1 - right, 1 - bottom)
    for left, top, right, bottom in itertools.product((0.0, 0.025, 0.05), repeat=4)
)
# The blur that is taken away, in pixels of 32: shapes and shadows are alike in many pictures.
_BLUR = 2.0
# By which the edges of a window are moved, as shares of a side.
_STEPS = (0.0125, 0.0125, 0.00625, 0.00625)


def thumbnails(pictures):
    """Each picture in grey, squeezed into a small square, and a digest of it.

    Args:
        pictures: an iterable of paths, or of uint8 arrays of shape `(height, width, channels)`.

    Returns:
        A uint8 array of shape `(pictures, 64, 64)`, and a list of strings: equal for equal
        files, or equal arrays.

    Raises:
        OSError: if a file cannot be read.
    """
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        found = list(pool.map(_thumbnail, pictures))
    if not found:
        return np.zeros((0, SIDE, SIDE), "uint8"), []
    return np.stack([small for small, _ in found]), [digest for _, digest in found]


def opened(picture):
    """A path or an array as an upright picture of Pillow, in its own colours."""
    from PIL import Image, ImageOps

    if isinstance(picture, np.ndarray):
        return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    return ImageOps.exif_transpose(Image.open(picture))


def in_mode(image, mode):
    """A picture in another mode, transparent pixels on white."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode.startswith("I"):  # sixteen bits
        image = Image.fromarray((np.asarray(image).astype("int64") >> 8).astype("uint8"))
    return image.convert(mode)


def perceptual_hashes(small, windows=WINDOWS):
    """The perceptual hash of each window of a thumbnail.

    Args:
        small: uint8 array of shape `(64, 64)`.
        windows: tuples of left, top, right and bottom, between 0 and 1.

    Returns:
        A float32 array of shape `(windows, 64)` of -1 and 1, whose products tell in how many
        bits two differ.

    Reference: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010,
        3.2.1.
    """
    imagehash = _imagehash()
    from PIL import Image

    image, resample = Image.fromarray(small), Image.Resampling.BILINEAR
    boxes = (tuple(SIDE * edge for edge in window) for window in windows)
    parts = (image.resize((SIDE, SIDE), resample, box=box) for box in boxes)
    bits = np.stack([imagehash.phash(part).hash.reshape(-1) for part in parts])
    return bits.astype("float32") * 2 - 1


def parts_of(small, windows, side):
    """The windows of a thumbnail at `side` pixels: float32 of shape `(windows, side, side)`."""
    from PIL import Image

    image, resample = Image.fromarray(small), Image.Resampling.BILINEAR
    boxes = (tuple(SIDE * edge for edge in window) for window in windows)
    parts = [np.asarray(image.resize((side, side), resample, box=box)) for box in boxes]
    return np.stack(parts).astype("float32")


def correlating(parts):
    """Pictures as rows whose products are their correlations; 0 where nothing is in one."""
    rows = parts.reshape(len(parts), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3)


def detail_correlation(cropped, whole):
    """How alike two pictures are in their details, if one is cropped to lie on the other.

    The best of `FINE_WINDOWS` is taken, and its edges are then moved by less and less.

    Args:
        cropped: thumbnail, a uint8 array of shape `(64, 64)`.
        whole: the same of the other picture.

    Returns:
        The correlation, from -1 to 1.
    """
    (other,) = parts_of(whole, WINDOWS[:1], SIDE // 2)
    parts = parts_of(cropped, FINE_WINDOWS, SIDE // 2)
    window = FINE_WINDOWS[
        int((correlating(parts) @ correlating(other[np.newaxis])[0]).argmax())
    ]
    (other,) = correlating(_details(other[np.newaxis]))
    best = -1.0
    for step in _STEPS:
        windows = [window, *_moved(window, step)]
        found = correlating(_details(parts_of(cropped, windows, SIDE // 2))) @ other
        best, window = float(found.max()), windows[int(found.argmax())]
    return best


def _moved(window, step):
    """The windows with one edge moved by a step, as far as they lie within the picture."""
    for edge, sign in itertools.product(range(4), (-step, step)):
        moved = window[edge] + sign
        if 0 <= moved <= 1:
            yield (*window[:edge], moved, *window[edge + 1 :])


def _details(parts):
    from scipy.ndimage import gaussian_filter

    return parts - gaussian_filter(parts, (0, _BLUR, _BLUR))


def _thumbnail(picture):
    from PIL import Image

    if isinstance(picture, np.ndarray):
        contents = repr((picture.shape, picture.dtype.str)).encode() + picture.tobytes()
    else:
        contents = pathlib.Path(picture).read_bytes()
        picture = io.BytesIO(contents)
    digest = hashlib.sha256(contents).hexdigest()
    image = opened(picture)
    small = in_mode(image, "L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small), digest


def _imagehash():
    try:
        import imagehash
    except ImportError as error:
        raise ImportError(
            "Near-duplicates need imagehash: pip install 'keras-transfer[audit]'"
        ) from error
    return imagehash
