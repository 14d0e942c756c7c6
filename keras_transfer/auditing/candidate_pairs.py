"""Which of many pictures are worth laying upon each other."""

import dataclasses

import numpy as np

from keras_transfer.auditing.thumbnails import WINDOWS, correlating, parts_of, perceptual_hashes

_BITS, _SIDE = 64, 16
# Pictures, and pairs of them, compared at once: blocks of some megabytes.
_BLOCK, _PAIRS = 1024, 4096
# Below it no crop within the windows was found; what follows takes milliseconds a pair.
_LEAST_COARSE = 0.92
# Unrelated photographs stay below it, so that few more pairs are looked at.
_LEAST_COSINE = 0.9


@dataclasses.dataclass(frozen=True)
class CandidatePair:
    """Two pictures that may be copies.

    Attributes:
        first: the number of one picture.
        second: the number of the other.
        mirrored: whether it is the mirror image of the first that is like the second.
        hash_distance: the bits of 64 in which the hashes differ.
        crop_first: whether the first is to be cropped to lie on the second.
    """

    first: int
    second: int
    mirrored: bool
    hash_distance: int
    crop_first: bool


def candidate_pairs(small, unit, radius):
    """The pairs of pictures whose hashes or features are near, and which look alike.

    Args:
        small: uint8 thumbnails of shape `(pictures, 64, 64)`.
        unit: features of length 1 of shape `(pictures, features)`, or None.
        radius: in how many of 64 bits two hashes may differ.

    Yields:
        `CandidatePair`, those of mirror images at the end.
    """
    if len(small) < 2:
        return
    hashes, coarse = (np.stack(rows) for rows in zip(*map(_described, small), strict=True))
    for mirrored in (False, True):
        whole_hash, whole = hashes[:, 0], coarse[:, 0]
        if mirrored:
            rows = [_described(one[:, ::-1], WINDOWS[:1]) for one in small]
            whole_hash, whole = (np.concatenate(part) for part in zip(*rows, strict=True))
        for start in range(0, len(small), _BLOCK):
            block = slice(start, start + _BLOCK)
            distances = _distances(whole_hash, hashes, block)
            may_be = distances <= radius
            if unit is not None:
                may_be |= unit[block] @ unit.T >= _LEAST_COSINE
            rows, columns = np.nonzero(np.triu(may_be, start + 1))
            rows, columns, crop_first = _alike(whole, coarse, rows + start, columns)
            for i, j, crops in zip(rows, columns, crop_first, strict=True):
                distance = int(distances[i - start, j])
                yield CandidatePair(int(i), int(j), mirrored, distance, bool(crops))


def _described(small, windows=WINDOWS):
    coarse = correlating(parts_of(small, windows, _SIDE))
    return perceptual_hashes(small, windows), coarse


def _distances(whole, hashes, block):
    """The fewest differing bits between the one as a whole and any window of the other."""
    nearest = np.full((len(whole[block]), len(whole)), -_BITS, "float32")
    for window in range(len(WINDOWS)):
        np.maximum(nearest, whole[block] @ hashes[:, window].T, out=nearest)
        np.maximum(nearest, hashes[block, window] @ whole.T, out=nearest)
    return (_BITS - nearest) / 2


def _alike(whole, coarse, rows, columns):
    """Those of many pairs that look alike, and whether it is the first that was larger."""
    kept, crop_first = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for start in range(0, len(rows), _PAIRS):
        part = slice(start, start + _PAIRS)
        i, j = rows[part], columns[part]
        first = np.einsum("pwd,pd->pw", coarse[i], whole[j]).max(axis=1)
        second = np.einsum("pwd,pd->pw", coarse[j], whole[i]).max(axis=1)
        kept[part] = np.maximum(first, second) >= _LEAST_COARSE
        crop_first[part] = first >= second
    return rows[kept], columns[kept], crop_first[kept]
