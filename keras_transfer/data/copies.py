"""Files of which one was made from another, which a split must keep together."""

import contextlib
import functools
import hashlib
import itertools
import json

import numpy as np

from keras_transfer import _progress
from keras_transfer._files import cache_directory, write_text_aside
from keras_transfer._records import read_json
from keras_transfer.data.thumbnails import SIDE, correlation_rows, is_drawing, thumbnails

# Increase it when the same files may give other copies.
_RULES = 2
# Thumbnails of 16 pixels propose pairs: first as they are, then aligned with each other's
# windows. Those of 32 pixels decide.
_COARSE_SIDE, _FINE_SIDE = 16, 32
# The blur that is subtracted, as a share of the side: coarse shapes correlate in unrelated
# images.
_BLUR = 1 / 16
_LEAST_WHOLE, _LEAST_COARSE, _LEAST_FINE = 0.5, 0.7, 0.94
# For two drawings: the same outline on an even ground is not yet the same picture.
_LEAST_DRAWN = 0.985
# Left, top, right and bottom of the whole image, and of what crops of about 5% leave of it.
_WINDOWS = (
    (0.0, 0.0, 1.0, 1.0),
    (0.025, 0.025, 0.975, 0.975),
    *(
        (left, top, 1 - right, 1 - bottom)
        for left, top, right, bottom in list(itertools.product((0.0, 0.05), repeat=4))[1:]
    ),
)
# Of more images, crops are not found: their windows would not fit into memory.
_MOST_WITH_CROPS = 20_000
# Proposed pairs per image, the most similar ones: they bound the time for images that are all
# alike, such as frames of a film.
_MOST_PROPOSED = 30
# Images, and pairs of them, that are compared at once: blocks of some megabytes.
_BLOCK, _PAIRS = 1024, 2048


def copies_among(files):
    """Pairs of digests of `ScannedFile`: of the same picture, resized, compressed again,
    mirrored, brightened or cropped by a few percent.

    The result is kept in the cache folder.
    """
    by_digest = {file.digest: file.path for file in files}
    digests = sorted(by_digest)
    key = hashlib.sha256("\n".join([str(_RULES), *digests]).encode()).hexdigest()[:32]
    kept = cache_directory() / "copies" / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, IndexError):
        return [(digests[int(i)], digests[int(j)]) for i, j in read_json(kept)]
    with _progress.step("looking for copies"):
        small, _ = thumbnails([by_digest[digest] for digest in digests])
        found = similar_pairs(small)
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text_aside(kept, json.dumps(found))
    return [(digests[i], digests[j]) for i, j in found]


def similar_pairs(small):
    """The index pairs of thumbnails that show the same picture."""
    if len(small) < 2:
        return []
    windows = _WINDOWS if len(small) <= _MOST_WITH_CROPS else _WINDOWS[:1]
    coarse = _described(small, windows, _COARSE_SIDE)
    found = []
    for is_mirrored in (False, True):
        i, j = _proposed(coarse[:, 0], is_mirrored)
        kept = _best_match(coarse, i, j, is_mirrored) >= _LEAST_COARSE
        i, j = i[kept], j[kept]
        for start in range(0, len(i), _PAIRS):
            rows, columns = i[start : start + _PAIRS], j[start : start + _PAIRS]
            images, place = np.unique(np.concatenate([rows, columns]), return_inverse=True)
            fine = _described(small[images], windows, _FINE_SIDE)
            first, second = place[: len(rows)], place[len(rows) :]
            drawings = np.array([is_drawing(small[image]) for image in images])
            least = np.where(drawings[first] & drawings[second], _LEAST_DRAWN, _LEAST_FINE)
            kept = _best_match(fine, first, second, is_mirrored) >= least
            found += zip(rows[kept].tolist(), columns[kept].tolist(), strict=True)
    return found


def _described(small, windows, side):
    """The details of windows of thumbnails as rows of length 1: `(images, windows, pixels)`."""
    columns = small.astype("float32").swapaxes(1, 2)
    low: dict = {}  # windows share their upper and lower edges
    rows = []
    for left, top, right, bottom in windows:
        if (top, bottom) not in low:
            low[top, bottom] = [
                _resized(columns, matrix) for matrix in _resampling(side, top, bottom)
            ]
        plain, blurred = map(_resized, low[top, bottom], _resampling(side, left, right))
        rows.append(correlation_rows((plain - blurred).swapaxes(1, 2)))
    return np.stack(rows, axis=1)


def _resized(images, matrix):
    """Images whose last axis is resized by a matrix, transposed."""
    # One product of large matrices is faster than one for each image.
    resized = images.reshape(-1, SIDE) @ matrix.T
    return resized.reshape(*images.shape[:2], -1).swapaxes(1, 2)


@functools.cache
def _resampling(side, start, end):
    """The matrix that resizes a part of a thumbnail's side, and the same with a blur."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter1d

    box = (SIDE * start, 0, SIDE * end, SIDE)
    identity = Image.fromarray(np.eye(SIDE, dtype="float32"))
    matrix = np.asarray(identity.resize((side, SIDE), Image.Resampling.BILINEAR, box=box)).T
    return matrix, gaussian_filter1d(matrix, _BLUR * side, axis=0)


def _proposed(whole, is_mirrored):
    """The pairs whose whole images are similar, as two arrays of indices."""
    others, pairs = _mirrored(whole) if is_mirrored else whole, []
    for start in range(0, len(whole), _BLOCK):
        similarity = np.triu(others[start : start + _BLOCK] @ whole.T, start + 1)
        least, most = _LEAST_WHOLE, _MOST_PROPOSED * len(similarity)
        if np.count_nonzero(similarity >= least) > most:
            # Equal images differ in the last digit.
            least = np.partition(similarity, -most, axis=None)[-most] - 1e-4
        rows, columns = np.divmod(np.flatnonzero(similarity >= least), len(whole))
        pairs.append((rows + start, columns))
    return tuple(map(np.concatenate, zip(*pairs, strict=True)))


def _best_match(described, i, j, is_mirrored):
    """The best correlation of one image of each pair with a window of the other."""
    whole = described[:, 0]
    whole = _mirrored(whole) if is_mirrored else whole
    best = np.full(len(i), -1.0, "float32")
    for start in range(0, len(i), _PAIRS):
        block = slice(start, start + _PAIRS)
        for one, other in ((i[block], j[block]), (j[block], i[block])):
            match = np.einsum("pwd,pd->pw", described[one], whole[other]).max(axis=1)
            best[block] = np.maximum(best[block], match)
    return best


def _mirrored(rows):
    side = round(rows.shape[1] ** 0.5)
    return rows.reshape(-1, side, side)[:, :, ::-1].reshape(len(rows), -1)
