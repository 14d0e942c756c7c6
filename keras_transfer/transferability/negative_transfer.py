"""Whether transfer helped, by experiment."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class NegativeTransfer:
    """Trainings from pretrained and from random weights, on the same folds.

    Attributes:
        pretrained: the accuracy of each fold from pretrained weights.
        random: the same from random weights.
        difference: `(low, high)`, 95% of what pretraining gains, over pictures drawn anew.
        num_images: on how many pictures.
        seconds: how long it took.
    """

    pretrained: tuple
    random: tuple
    difference: tuple
    num_images: int
    seconds: float

    @property
    def verdict(self):
        """ "helps", "hurts" or "not settled"."""
        low, high = self.difference
        return "helps" if low > 0 else "hurts" if high < 0 else "not settled"

    @property
    def conclusion(self):
        """A sentence on it."""
        low, high = self.difference
        means = [sum(found) / len(found) for found in (self.pretrained, self.random)]
        return (
            f"Transfer {self.verdict if self.verdict != 'not settled' else 'is not settled'}: "
            f"{means[0]:.1%} from pretrained weights, {means[1]:.1%} from random ones, a gain "
            f"of {low:+.1%} to {high:+.1%} (95%) on {self.num_images} pictures."
        )

    def to_json(self):
        """The figures as numbers, strings and lists."""
        return {
            **dataclasses.asdict(self),
            "verdict": self.verdict,
            "conclusion": self.conclusion,
        }
