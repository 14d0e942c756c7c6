"""The pictures that excite one channel most."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class ExcitingPictures:
    """The pictures that excite one channel of a stage most, the most exciting first.

    Attributes:
        stage: the name of the operation whose output is looked at.
        channel: the number of the channel.
        indices: an integer array, the places of the pictures in the data set.
        activations: a float32 array, the highest activation in each picture.
        positions: an integer array `(pictures, 2)`: the row and the column in the stage's grid
            where it is.
        regions: an integer array `(pictures, 4)`: the pixels that this position can see, as
            `(top, left, bottom, right)`, bottom and right excluded.
        pictures: a float32 array `(pictures, height, width, channels)` in [0, 255].
        projections: an array of the same shape: what in the picture excites the channel there,
            by guided backpropagation.
    """

    stage: str
    channel: int
    indices: np.ndarray
    activations: np.ndarray
    positions: np.ndarray
    regions: np.ndarray
    pictures: np.ndarray
    projections: np.ndarray

    def cropped(self, number):
        """The part of a picture and of its projection that the channel can see.

        Args:
            number: which of the pictures, 0 for the most exciting.

        Returns:
            Two arrays `(height, width, channels)`.
        """
        top, left, bottom, right = self.regions[number]
        part = slice(top, bottom), slice(left, right)
        return self.pictures[number][part], self.projections[number][part]
