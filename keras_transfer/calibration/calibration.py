"""Whether a model is as often right as it says."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """Pictures with similar confidence.

    Attributes:
        low: the confidences of its pictures are above this,
        high: and at most this.
        confidence: their mean.
        accuracy: the share of the pictures that are told rightly.
        count: how many pictures, at least 1.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Whether a model is as often right as it says.

    Attributes:
        ece: the expected calibration error, from 0 to 1.
        interval: `(low, high)`, 95% of it over pictures that are drawn anew.
        bins: a tuple of `ReliabilityBin`, those without pictures left out.
        accuracy: the share of all pictures that are told rightly.
        confidence: the mean probability of the class that is predicted.
        num_images: how many pictures.
    """

    ece: float
    interval: tuple
    bins: tuple
    accuracy: float
    confidence: float
    num_images: int

    @property
    def conclusion(self):
        """A sentence on it."""
        low, high = self.interval
        word = "as far as these pictures tell right"
        if low > 0:
            word = "too high" if self.confidence > self.accuracy else "too low"
        return (
            f"On {self.num_images} pictures the model is {self.confidence:.1%} sure on average "
            f"and right for {self.accuracy:.1%}; the two are {self.ece:.1%} apart (95%: "
            f"{low:.1%} to {high:.1%}), so its confidence is {word}."
        )

    def to_json(self):
        """The figures as numbers, strings, lists and dicts."""
        values = dataclasses.asdict(self)
        return {
            **values,
            "interval": list(self.interval),
            "bins": [dict(one) for one in values["bins"]],
            "conclusion": self.conclusion,
        }
