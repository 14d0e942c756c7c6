"""Two pictures that show the same."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class DuplicatePair:
    """Two pictures of which one was made from the other, or both from a third.

    Attributes:
        first: the number of one picture.
        second: the number of the other, greater than `first`.
        names: their paths, or their numbers as text where they are no files.
        evidence: "same file", byte for byte; "same picture", resized, compressed or cropped; or
            "mirrored", the same of its mirror image.
        hash_distance: the bits of 64 in which the perceptual hashes differ.
        correlation: of the details of both after they were laid upon each other, at most 1.
        cosine: of the features, or None.
        splits: the split of each, or None.
        labels: the label of each, None where it has none; or None.
    """

    first: int
    second: int
    names: tuple
    evidence: str
    hash_distance: int
    correlation: float
    cosine: float | None = None
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

    def to_json(self):
        """The pair as a dict of text and numbers."""
        return dataclasses.asdict(self)
