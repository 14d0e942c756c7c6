"""Perceptual hashes of thumbnails, and the correlation of the details of two of them."""

import itertools

import numpy as np
from PIL import Image

from keras_transfer.data.thumbnails import (
    SIDE,
    WINDOWS,
    correlation_rows,
    cut,
    details,
    windows_of,
)

# All crops of 0, 2.5% or 5% at each of the four sides.
_FINE_WINDOWS = tuple(
    (left, top, 1 - right, 1 - bottom)
    for left, top, right, bottom in itertools.product((0.0, 0.025, 0.05), repeat=4)
)
# Steps by which the edges of a window are refined, as shares of a side.
_STEPS = (0.0125, 0.0125, 0.00625, 0.00625)
_FINE_STEPS = (0.00625, 0.004, 0.002, 0.001, 0.001)
# Drawings are compared at up to this many pixels a side, where the lines of two of them differ;
# blurs in these pixels.
FINE_SIDE, _FINE_BLUR, _NOISE_BLUR = 192, 4.0, 0.7


def perceptual_hashes(small, windows=WINDOWS):
    """The perceptual hashes of windows of a thumbnail, rows of 64 bits as -1 and 1."""
    try:
        import imagehash
    except ImportError as error:
        raise ImportError("Near-duplicates need imagehash: pip install imagehash") from error
    bits = [imagehash.phash(part).hash.reshape(-1) for part in cut(small, windows, SIDE)]
    return np.stack(bits).astype("float32") * 2 - 1


def detail_correlation(cropped, whole):
    """The correlation of the details of two thumbnails, one cropped to match the other."""
    return aligned(cropped, whole)[0]


def aligned(cropped, whole):
    """The correlation of the details of two thumbnails, and the window of the cropped one.

    The best of 81 crops is refined by moving its edges in ever smaller steps.
    """
    side = SIDE // 2
    other = windows_of(whole, WINDOWS[:1], side)
    similarity = correlation_rows(windows_of(cropped, _FINE_WINDOWS, side))
    window = _FINE_WINDOWS[int((similarity @ correlation_rows(other)[0]).argmax())]
    (other,) = correlation_rows(details(other))
    for step in _STEPS:
        windows = [window, *_moved(window, step)]
        found = correlation_rows(details(windows_of(cropped, windows, side))) @ other
        best, window = float(found.max()), windows[int(found.argmax())]
    return best, window


def fine_correlation(cropped, whole, window):
    """As `detail_correlation`, of grey Pillow images at up to 192 pixels.

    At 32 pixels the outlines of two guitars on white are the same, whatever their lines.
    """
    side = min(FINE_SIDE, *cropped.size, *whole.size)
    (other,) = _fine_rows(whole, WINDOWS[:1], side)
    for step in _FINE_STEPS:
        windows = [window, *_moved(window, step)]
        found = _fine_rows(cropped, windows, side) @ other
        best, window = float(found.max()), windows[int(found.argmax())]
    return best


def _fine_rows(image, windows, side):
    from scipy.ndimage import gaussian_filter

    width, height = image.size
    boxes = [(x * width, y * height, u * width, v * height) for x, y, u, v in windows]
    parts = [image.resize((side, side), Image.Resampling.BICUBIC, box=box) for box in boxes]
    pixels = np.stack([np.asarray(part, "float32") for part in parts])
    smooth = gaussian_filter(pixels, (0, _NOISE_BLUR, _NOISE_BLUR))
    return correlation_rows(details(smooth, _FINE_BLUR))


def _moved(window, step):
    """The windows within the image that have one edge moved by a step."""
    for edge, sign in itertools.product(range(4), (-step, step)):
        moved = window[edge] + sign
        if 0 <= moved <= 1:
            yield (*window[:edge], moved, *window[edge + 1 :])
