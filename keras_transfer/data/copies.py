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
_BLOCK, _COLUMNS, _PAIRS = 1024, 4096, 2048


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
    """Index pairs of thumbnails that join all that show the same picture."""
    if len(small) < 2:
        return []
    kept, found = _distinct(small)
    small = small[kept] if len(kept) < len(small) else small
    windows = _WINDOWS if len(small) <= _MOST_WITH_CROPS else _WINDOWS[:1]
    whole = _described(small, _WINDOWS[:1], _COARSE_SIDE)[:, 0]
    proposed = [_proposed(whole, is_mirrored) for is_mirrored in (False, True)]
    # Of photographs, many are among the proposed; of noise, none is.
    images, place = np.unique(np.concatenate(proposed, axis=1), return_inverse=True)
    coarse = _described(small[images], windows, _COARSE_SIDE)
    places = np.split(place.reshape(2, -1), [proposed[0].shape[1]], axis=1)
    for is_mirrored, (i, j) in enumerate(places):
        is_similar = _best_match(coarse, i, j, is_mirrored) >= _LEAST_COARSE
        i, j = images[i[is_similar]], images[j[is_similar]]
        for start in range(0, len(i), _PAIRS):
            rows, columns = i[start : start + _PAIRS], j[start : start + _PAIRS]
            is_copy = _are_copies(small, windows, rows, columns, is_mirrored)
            rows, columns = kept[rows[is_copy]], kept[columns[is_copy]]
            found += zip(rows.tolist(), columns.tolist(), strict=True)
    return found


def _distinct(small):
    """The indices of thumbnails without repetitions, and pairs of each with its repetitions.

    A constant one, of which nothing can be told, equals no other.
    """
    first: dict = {}
    kept, pairs = [], []
    for number, one in enumerate(small):
        earlier = first.setdefault(hashlib.sha256(one.tobytes()).digest(), number)
        if earlier == number or not np.ptp(one):
            kept.append(number)
        else:
            pairs.append((earlier, number))
    return np.array(kept), pairs


def _are_copies(small, windows, rows, columns, is_mirrored):
    """Whether the details of each pair of thumbnails are the same."""
    images, place = np.unique(np.concatenate([rows, columns]), return_inverse=True)
    fine = _described(small[images], windows, _FINE_SIDE)
    first, second = place[: len(rows)], place[len(rows) :]
    drawings = np.array([is_drawing(small[image]) for image in images])
    least = np.where(drawings[first] & drawings[second], _LEAST_DRAWN, _LEAST_FINE)
    return _best_match(fine, first, second, is_mirrored) >= least


def _described(small, windows, side):
    """The details of windows of thumbnails as rows of length 1: `(images, windows, pixels)`."""
    rows = np.empty((len(small), len(windows), side * side), "float32")
    for start in range(0, len(small), _BLOCK):
        block = slice(start, start + _BLOCK)
        columns = small[block].astype("float32").swapaxes(1, 2)
        low: dict = {}  # windows share their upper and lower edges
        for number, (left, top, right, bottom) in enumerate(windows):
            if (top, bottom) not in low:
                low[top, bottom] = [
                    _resized(columns, matrix) for matrix in _resampling(side, top, bottom)
                ]
            plain, blurred = map(_resized, low[top, bottom], _resampling(side, left, right))
            rows[block, number] = correlation_rows((plain - blurred).swapaxes(1, 2))
    return rows


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
    """The pairs whose whole images are similar: indices of shape `(2, pairs)`."""
    others = _mirrored(whole) if is_mirrored else whole
    blocks = [_most_similar(others, whole, start) for start in range(0, len(whole), _BLOCK)]
    return np.concatenate(blocks, axis=1)


def _most_similar(others, whole, start):
    """The proposed pairs of a block of images with those that come after each of them."""
    block, least = others[start : start + _BLOCK], _LEAST_WHOLE
    found, values = np.zeros((2, 0), "int64"), np.zeros(0, "float32")
    for column in range(start, len(whole), _COLUMNS):
        similarity = block @ whole[column : column + _COLUMNS].T
        if column < start + len(block):
            similarity = np.triu(similarity, start - column + 1)
        pairs = np.nonzero(similarity >= least)
        if not len(pairs[0]):
            continue
        values = np.concatenate([values, similarity[pairs]])
        found = np.concatenate([found, np.add(pairs, [[start], [column]])], axis=1)
        most = _MOST_PROPOSED * len(block)
        if len(values) > most:
            # Equal images differ in the last digit.
            least = np.partition(values, -most)[-most] - 1e-4
            found, values = found[:, values >= least], values[values >= least]
    return found


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
    return rows.reshape(-1, side, side)[:, :, ::-1].reshape(rows.shape)
