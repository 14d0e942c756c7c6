"""Perceptual hashes of thumbnails, and the correlation of the details of two of them."""

import itertools

import numpy as np

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


def perceptual_hashes(small, windows=WINDOWS):
    """The perceptual hashes of windows of a thumbnail, rows of 64 bits as -1 and 1."""
    try:
        import imagehash
    except ImportError as error:
        raise ImportError("Near-duplicates need imagehash: pip install imagehash") from error
    bits = [imagehash.phash(part).hash.reshape(-1) for part in cut(small, windows, SIDE)]
    return np.stack(bits).astype("float32") * 2 - 1


def detail_correlation(cropped, whole):
    """The correlation of the details of two thumbnails, one cropped to match the other.

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
    return best


def _moved(window, step):
    """The windows within the image that have one edge moved by a step."""
    for edge, sign in itertools.product(range(4), (-step, step)):
        moved = window[edge] + sign
        if 0 <= moved <= 1:
            yield (*window[:edge], moved, *window[edge + 1 :])
