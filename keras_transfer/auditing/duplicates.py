"""Images that are in a data set twice, though not byte for byte."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from PIL import ImageOps

from keras_transfer import _progress
from keras_transfer.auditing.thumbnails import (
    FINE_SIDE,
    aligned,
    fine_correlation,
    perceptual_hashes,
)
from keras_transfer.data.scanning import in_mode
from keras_transfer.data.thumbnails import (
    WINDOWS,
    correlation_rows,
    is_drawing,
    open_image,
    thumbnails,
    windows_of,
)

# Two images of which a crop was made have hashes that differ in at most so many of 64 bits.
_RADIUS = 10
# Unrelated photographs stay below this cosine of their features, so few pairs are added.
_LEAST_COSINE = 0.9
# Correlations of copies: of thumbnails of 16 pixels, which excludes most candidates at once,
# and of details, which takes milliseconds a pair.
_LEAST_COARSE, _LEAST_CORRELATION = 0.92, 0.95
# Of drawings at up to 192 pixels: copies reach 0.98, others of the same outline 0.945.
_LEAST_FINE = 0.96
_BITS, _COARSE_SIDE = 64, 16
# Images, and pairs of them, that are compared at once: blocks of some megabytes.
_BLOCK, _COLUMNS, _PAIRS = 1024, 4096, 4096
# Of more images, crops are not found by their hashes: seven of them would take hours.
_MOST_WITH_CROPS = 20_000


@dataclasses.dataclass(frozen=True)
class DuplicatePair:
    """Two images of which one was made from the other, or both from a third.

    Attributes:
        first: the index of one image.
        second: the index of the other, greater than `first`.
        names: their paths; of arrays their indices as strings.
        evidence: "same file", byte for byte; "same image", resized, compressed or cropped; or
            "mirrored".
        correlation: of the details of the aligned images, at most 1.
        splits: the split of each image, or None.
        labels: the label of each image, None for one without; or None.
    """

    first: int
    second: int
    names: tuple
    evidence: str
    correlation: float
    splits: tuple | None = None
    labels: tuple | None = None

    @property
    def across_splits(self):
        """Whether the two lie in different splits."""
        return self.splits is not None and self.splits[0] != self.splits[1]

    @property
    def contradicts(self):
        """Whether the two have different labels."""
        return None not in (self.labels or (None,)) and self.labels[0] != self.labels[1]


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """The images of a data set that are in it more than once.

    Attributes:
        pairs: tuple of `DuplicatePair`, those across splits first.
        clusters: tuple of tuples, the indices of images that are copies of each other.
        num_images: the number of images that were compared.
    """

    pairs: tuple
    clusters: tuple
    num_images: int

    @property
    def across_splits(self):
        """The pairs whose images lie in different splits."""
        return tuple(pair for pair in self.pairs if pair.across_splits)

    @property
    def contradictions(self):
        """The pairs whose images have different labels."""
        return tuple(pair for pair in self.pairs if pair.contradicts)

    @property
    def num_copies(self):
        """How many images would have to go until none is left twice."""
        return sum(len(cluster) - 1 for cluster in self.clusters)

    @property
    def severity(self):
        """The severity of the finding: an alarm if pairs cross splits or contradict."""
        is_harmful = self.across_splits or self.contradictions
        return "alarm" if is_harmful else "warning" if self.pairs else "note"

    @property
    def conclusion(self):
        """How many copies there are, and whether they affect the evaluation."""
        if not self.pairs:
            return f"No copies among {self.num_images} images."
        text = f"Copies among {self.num_images} images: {self.num_copies}."
        if self.across_splits:
            text += (
                f" Pairs across splits: {len(self.across_splits)}, which make the measured "
                "accuracy too high; keep all copies of an image in one split."
            )
        if self.contradictions:
            text += f" Pairs with different labels: {len(self.contradictions)}; one is wrong."
        return text

    def to_json(self):
        """The pairs, the clusters and the number of copies as a dict."""
        return {**dataclasses.asdict(self), "num_copies": self.num_copies}


@_progress.step("looking for near-duplicates")
def near_duplicates(
    images: Sequence[str | os.PathLike | np.ndarray],
    features: np.ndarray | None = None,
    splits: Sequence[str] | None = None,
    labels: Sequence | None = None,
) -> NearDuplicates:
    """Finds copies of images that were resized, compressed again, mirrored or cropped by 5%.

    Perceptual hashes of each image, of its mirror image and of crops of it propose pairs; so
    does the cosine of their features. A pair counts if the details of the two aligned
    thumbnails correlate; drawings and objects on an even ground, whose outlines may agree, are
    compared at up to 192 pixels as well. The cosine alone decides nothing: X-rays of two people
    have a higher one than a photograph and a crop of it.

    Args:
        images: paths, or uint8 arrays of shape `(height, width, channels)`.
        features: array of shape `(images, features)`. Defaults to None.
        splits: the name of each image's split. Defaults to None.
        labels: the label of each image, or None for one without. Defaults to None.

    Returns:
        `NearDuplicates`.

    Raises:
        ImportError: if imagehash is not installed.
        OSError: if a file cannot be read.
        ValueError: if features, splits or labels do not have one row for each image.

    Example:
        >>> photos = list(images.astype("uint8"))
        >>> auditing.near_duplicates([*photos, photos[2]]).clusters
        ((2, 9),)

    Reference:
        Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.
    """
    images = list(images)
    splits, labels = map(_without_numpy, (splits, labels))
    for name, values in (("features", features), ("splits", splits), ("labels", labels)):
        if values is not None and len(values) != len(images):
            raise ValueError(
                f"`{name}` must have one row for each image. "
                f"Received: {len(values)} for {len(images)} images"
            )
    small, digests = thumbnails(images)
    unit = None
    if features is not None:
        unit = np.asarray(features, "float32")
        unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    found = _same_files(digests)
    for i, j, is_mirrored, crop_first in candidate_pairs(small, unit):
        if (i, j) in found:
            continue
        first = small[i][:, ::-1] if is_mirrored else small[i]
        correlation, window = aligned(*((first, small[j]) if crop_first else (small[j], first)))
        if correlation < _LEAST_CORRELATION:
            continue
        if is_drawing(small[i]) or is_drawing(small[j]):
            files = (_grey(images[i], is_mirrored), _grey(images[j]))
            if fine_correlation(*(files if crop_first else files[::-1]), window) < _LEAST_FINE:
                continue
        found[i, j] = ("mirrored" if is_mirrored else "same image", correlation)
    names = [
        str(i) if isinstance(one, np.ndarray) else str(one) for i, one in enumerate(images)
    ]
    pairs = [
        DuplicatePair(
            i, j, (names[i], names[j]), evidence, round(correlation, 4),
            None if splits is None else (splits[i], splits[j]),
            None if labels is None else (labels[i], labels[j]),
        )
        for (i, j), (evidence, correlation) in found.items()
    ]  # fmt: skip
    pairs.sort(key=lambda pair: (not pair.across_splits, -pair.correlation, pair.first))
    return NearDuplicates(tuple(pairs), _clusters(found, len(images)), len(images))


def candidate_pairs(small, unit=None):
    """The pairs of thumbnails with similar hashes or features (of length 1) that look alike.

    Yields the two indices, whether the first is mirrored, and whether the first, not the
    second, has to be cropped.
    """
    if len(small) < 2:
        return
    windows = WINDOWS if len(small) <= _MOST_WITH_CROPS else WINDOWS[:1]
    hashes, coarse = _described(small, windows)
    mirrored = _described(small[:, :, ::-1], WINDOWS[:1])
    wholes = [(hashes[:, 0], coarse[:, 0]), tuple(part[:, 0] for part in mirrored)]
    for rows, columns in _tiles(len(small)):
        is_near = None
        if unit is not None:
            is_near = unit[rows] @ unit[columns].T >= _LEAST_COSINE
        for is_mirrored, (whole_hash, whole) in enumerate(wholes):
            is_candidate = _hash_distances(whole_hash, hashes, rows, columns) <= _RADIUS
            if is_near is not None:
                is_candidate |= is_near
            is_candidate = np.triu(is_candidate, rows.start - columns.start + 1)
            i, j = np.nonzero(is_candidate)
            i, j = i + rows.start, j + columns.start
            for first, second, crop_first in _similar(whole, coarse, i, j):
                yield first, second, bool(is_mirrored), crop_first


def _tiles(number):
    """The slices of rows and columns that hold each pair of images."""
    for row in range(0, number, _BLOCK):
        for column in range(row, number, _COLUMNS):
            yield slice(row, min(row + _BLOCK, number)), slice(column, column + _COLUMNS)


def _described(small, windows):
    """The hashes and the coarse details of windows: `(images, windows, values)`."""
    hashes = np.empty((len(small), len(windows), _BITS), "float32")
    coarse = np.empty((len(small), len(windows), _COARSE_SIDE**2), "float32")
    for number, one in enumerate(small):
        hashes[number] = perceptual_hashes(one, windows)
        coarse[number] = correlation_rows(windows_of(one, windows, _COARSE_SIDE))
    return hashes, coarse


def _hash_distances(whole, hashes, rows, columns):
    """The fewest differing bits between one image and any window of the other."""
    nearest = whole[rows] @ hashes[columns, 0].T
    for window in range(hashes.shape[1]):
        np.maximum(nearest, whole[rows] @ hashes[columns, window].T, out=nearest)
        np.maximum(nearest, hashes[rows, window] @ whole[columns].T, out=nearest)
    return (_BITS - nearest) / 2


def _similar(whole, coarse, rows, columns):
    """The pairs whose coarse thumbnails correlate, and whether the first one is larger."""
    for start in range(0, len(rows), _PAIRS):
        i, j = rows[start : start + _PAIRS], columns[start : start + _PAIRS]
        first = np.einsum("pwd,pd->pw", coarse[i], whole[j]).max(axis=1)
        second = np.einsum("pwd,pd->pw", coarse[j], whole[i]).max(axis=1)
        kept = np.maximum(first, second) >= _LEAST_COARSE
        columns_of = (i[kept], j[kept], (first >= second)[kept])
        yield from zip(*(column.tolist() for column in columns_of), strict=True)


def _grey(image, is_mirrored=False):
    opened = open_image(image, 2 * FINE_SIDE)
    # As for the thumbnail: compared by correlation, whatever the range of the values.
    value_range = float(np.asarray(opened).max()) if opened.mode.startswith("I") else None
    image = in_mode(opened, "L", value_range or None)
    return ImageOps.mirror(image) if is_mirrored else image


def _same_files(digests):
    """Dict from the pairs of equal files to evidence and correlation."""
    first, found = {}, {}
    for number, digest in enumerate(digests):
        earlier = first.setdefault(digest, number)
        if earlier != number:
            found[earlier, number] = ("same file", 1.0)
    return found


def _clusters(found, num_images):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not found:
        return ()
    rows, columns = zip(*found, strict=True)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(num_images,) * 2)
    _, component = connected_components(graph, directed=False)
    members = {}
    for number in sorted({*rows, *columns}):
        members.setdefault(int(component[number]), []).append(number)
    return tuple(map(tuple, members.values()))


def _without_numpy(values):
    """The values as Python's types, which JSON needs."""
    if values is None:
        return None
    return [one.item() if isinstance(one, np.generic) else one for one in values]
