"""Pictures that are in a data set twice, though not byte for byte."""

import dataclasses

import numpy as np

from keras_transfer.auditing.candidate_pairs import candidate_pairs
from keras_transfer.auditing.duplicate_pair import DuplicatePair
from keras_transfer.auditing.thumbnails import detail_correlation, thumbnails


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """The pictures of a data set that are in it more than once.

    Attributes:
        pairs: a tuple of `DuplicatePair`, those across splits first.
        clusters: a tuple of tuples, the numbers of pictures that are copies of each other.
        num_pictures: how many pictures were compared.
    """

    pairs: tuple
    clusters: tuple
    num_pictures: int

    @property
    def across_splits(self):
        """The pairs whose pictures lie in different splits."""
        return tuple(pair for pair in self.pairs if pair.across_splits)

    @property
    def contradictions(self):
        """The pairs whose pictures have different labels."""
        return tuple(pair for pair in self.pairs if pair.contradicts)

    def to_json(self):
        """The pairs and clusters as dicts and lists."""
        return {
            "num_pictures": self.num_pictures,
            "pairs": [pair.to_json() for pair in self.pairs],
            "clusters": [list(cluster) for cluster in self.clusters],
        }


def near_duplicates(
    pictures, features=None, splits=None, labels=None, radius=10, least_correlation=0.95
):
    """Finds copies of pictures that were resized, compressed again, mirrored or cropped by 5%.

    Perceptual hashes of each picture, of its mirror image and of what crops would leave of it
    name the pairs that may be copies; with features, so does their cosine. Both are then laid
    upon each other as small grey pictures, one cropped as fits best, and what counts is the
    correlation of their details. A cosine alone decides nothing: two X-rays of different
    people have a higher one than a photograph and its crop.

    Args:
        pictures: a list of paths, or of uint8 arrays of shape `(height, width, channels)`.
        features: an array of shape `(pictures, features)`. Defaults to None, none.
        splits: the name of each picture's split. Defaults to None, not known.
        labels: each picture's label, or None for one without. Defaults to None, not known.
        radius: in how many of 64 bits two hashes may differ. Defaults to 10.
        least_correlation: of the details of two copies. Defaults to 0.95.

    Returns:
        `NearDuplicates`.

    Raises:
        ImportError: without imagehash.
        OSError: if a file cannot be read.
        ValueError: for features, splits or labels of another number than the pictures.

    Reference: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.
    """
    pictures = list(pictures)
    splits, labels = map(_plain, (splits, labels))
    for name, values in (("features", features), ("splits", splits), ("labels", labels)):
        if values is not None and len(values) != len(pictures):
            raise ValueError(
                f"`{name}` must have a row for each picture. "
                f"Received: {len(values)} for {len(pictures)} pictures"
            )
    small, digests = thumbnails(pictures)
    unit = None if features is None else _unit(features)
    found = _same_files(digests)
    for pair in candidate_pairs(small, unit, radius):
        key = pair.first, pair.second
        if key not in found:
            correlation = _correlation(small, pair)
            if correlation >= least_correlation:
                evidence = "mirrored" if pair.mirrored else "same picture"
                found[key] = (evidence, pair.hash_distance, correlation)
    names = [str(i) if isinstance(p, np.ndarray) else str(p) for i, p in enumerate(pictures)]
    pairs = [
        DuplicatePair(
            i, j, (names[i], names[j]), evidence, distance, round(correlation, 4),
            None if unit is None else round(float(unit[i] @ unit[j]), 4),
            None if splits is None else (splits[i], splits[j]),
            None if labels is None else (labels[i], labels[j]),
        )
        for (i, j), (evidence, distance, correlation) in found.items()
    ]  # fmt: skip
    pairs.sort(key=lambda pair: (not pair.across_splits, -pair.correlation, pair.first))
    return NearDuplicates(tuple(pairs), _clusters(found, len(pictures)), len(pictures))


def _plain(values):
    """The same without NumPy's types, which JSON does not know."""
    if values is None:
        return None
    return [one.item() if isinstance(one, np.generic) else one for one in values]


def _same_files(digests):
    """Dict from the pairs of equal files to what is known of them."""
    first, found = {}, {}
    for number, digest in enumerate(digests):
        earlier = first.setdefault(digest, number)
        if earlier != number:
            found[earlier, number] = ("same file", 0, 1.0)
    return found


def _correlation(small, pair):
    first, second = small[pair.first], small[pair.second]
    first = first[:, ::-1] if pair.mirrored else first
    cropped, whole = (first, second) if pair.crop_first else (second, first)
    return detail_correlation(cropped, whole)


def _unit(features):
    features = np.asarray(features, "float32")
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _clusters(found, num_pictures):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not found:
        return ()
    rows, columns = zip(*found, strict=True)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(num_pictures,) * 2)
    _, component = connected_components(graph, directed=False)
    members = {}
    for number in sorted({*rows, *columns}):
        members.setdefault(int(component[number]), []).append(number)
    return tuple(map(tuple, members.values()))
