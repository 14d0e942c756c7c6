"""How much one stage changed."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class StageChange:
    """How much a stage of a network changed in its training.

    Attributes:
        stage: the name of the stage.
        boundary: the name of the operation that it ends with.
        similarity: the centred kernel alignment of its features before and after, in [0, 1];
            1 where they are the same up to a rotation and a scale.
        weight_change: how far its weights moved, relative to where they were.
    """

    stage: str
    boundary: str
    similarity: float
    weight_change: float

    def to_json(self):
        """The same as a dict of plain values."""
        return dataclasses.asdict(self)
