"""What is known of one candidate before it is trained."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class CandidateScore:
    """The scores and the costs of a backbone on a data set.

    Attributes:
        name: what it is called in the table.
        accuracy: of a linear probe on its features, cross-validated: what a head reaches.
        interval: `(low, high)`, 95% of that accuracy.
        logme: see `logme`.
        h_score: see `h_score`, with shrinkage.
        leep: see `leep`; None without a source classifier.
        nce: see `nce`; None without a source classifier.
        num_features: the length of a feature vector.
        num_parameters: of the backbone.
        megabytes: of its weights, in units of 10**6 bytes.
        multiply_adds: multiplications for one picture.
        images_per_second: pictures that it computes in a second on this machine.
    """

    name: str
    accuracy: float
    interval: tuple
    logme: float
    h_score: float
    leep: float | None
    nce: float | None
    num_features: int
    num_parameters: int
    megabytes: float
    multiply_adds: int
    images_per_second: float

    def to_json(self):
        """The scores as numbers, strings and lists."""
        return dataclasses.asdict(self)
