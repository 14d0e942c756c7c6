"""A plan, and the figures that it was chosen by."""

import dataclasses

from keras_transfer.plans import Plan
from keras_transfer.plans.likeness import Likeness

# From the least that is trained to the most.
STRATEGIES = (
    "use as is",
    "train the head",
    "train the last stages",
    "train everything",
    "train from scratch",
)


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """What to train, and why.

    Attributes:
        strategy: one of `STRATEGIES`.
        plan: a `plans.Plan` for it, with the reasons in words.
        likeness: the figures behind them.
        warnings: a tuple of sentences, where transfer is likely to hurt.
    """

    strategy: str
    plan: Plan
    likeness: Likeness
    warnings: tuple = ()

    @property
    def reasons(self):
        """The plan's reasons."""
        return self.plan.reasons

    def to_json(self):
        """The recommendation as numbers, strings, lists and dicts."""
        return {
            "strategy": self.strategy,
            "warnings": list(self.warnings),
            "likeness": self.likeness.to_json(),
            "plan": self.plan.to_json(),
        }

    def rows(self):
        """The figures as a list of tuples of strings, the first one the heads."""
        found = self.likeness
        distance = "-" if found.distance is None else f"{found.distance:.2f}"
        return [
            ("what", "figure", "what it says"),
            ("pictures", f"{found.num_images:,}", "how much data"),
            ("pictures a class", f"{found.images_per_class:.0f}", ""),
            ("probe", f"{found.accuracy:.1%}", "on pretrained features, cross-validated"),
            ("95%", "{:.1%} to {:.1%}".format(*found.interval), ""),
            ("probe of the random twin", f"{found.random_accuracy:.1%}", "without pretraining"),
            (
                "gain, 95%",
                "{:+.1%} to {:+.1%}".format(*found.gain),
                "what pretraining is worth",
            ),
            ("skill", f"{found.skill:.2f}", "0 is chance, 1 is perfect"),
            (
                "separability",
                f"{found.separability:.2f}",
                "H-score, 0 to 1; too high where features outnumber pictures",
            ),
            ("distance of statistics", distance, "nats from the source's, 0 is alike"),
        ]
