"""What lies in a cache."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class CacheEntry:
    """The features of one network for one set of pictures.

    Attributes:
        key: its name, a digest of all that the features follow from.
        network: the name of the network.
        boundary: the name of the layer that the features come out of.
        num_images: the number of pictures.
        views: the number of views that were begun.
        feature_shape: the shape of one picture's features.
        dtype: in which they are kept.
        engine: the name of the engine that computed them.
        size: bytes on disk.
        used: when it was last read or written, in seconds since 1970.
    """

    key: str
    network: str
    boundary: str
    num_images: int
    views: int
    feature_shape: tuple
    dtype: str
    engine: str
    size: int
    used: float
