"""When a model should name several classes, or say that it does not know."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class ConformalThreshold:
    """Two thresholds on probabilities with a guarantee; `fit_conformal` finds them.

    The guarantees hold for pictures from where the ones came from that it was fitted on, and
    for no others; and for all pictures together, not for each class.

    Attributes:
        error_rate: how often sets may miss the true class, and answers be wrong.
        set_threshold: a class is in a picture's set if its probability is at least 1 minus
            this.
        answer_threshold: a picture is answered if its highest probability is above this; -inf
            answers all, inf none.
        answered: the share of the pictures that were answered, of those it was fitted on.
        wrong: the share of these that was answered wrongly; None if nothing is answered.
        certainty: how surely answers keep to `error_rate`: the share of all draws of pictures
            to fit on that give a threshold which does.
        num_images: how many pictures it was fitted on.
    """

    error_rate: float
    set_threshold: float
    answer_threshold: float
    answered: float
    wrong: float | None
    certainty: float
    num_images: int

    def prediction_sets(self, probabilities):
        """The classes that a picture may be of.

        Args:
            probabilities: an array of shape `(pictures, classes)`.

        Returns:
            A bool array of the same shape. A row holds the true class with a probability of at
            least `1 - error_rate`. It may be empty: none of the classes looks right.
        """
        return 1 - np.asarray(probabilities, "float64") <= self.set_threshold

    def is_answered(self, probabilities):
        """Whether the most probable class is taken for an answer, or is left at "don't know".

        Args:
            probabilities: an array of shape `(pictures, classes)`.

        Returns:
            A bool array of shape `(pictures,)`. Of the answered ones at most the share
            `error_rate` is wrong in the long run, with the probability `certainty`.
        """
        return np.asarray(probabilities, "float64").max(axis=1) > self.answer_threshold

    @property
    def conclusion(self):
        """Sentences on it."""
        least = max(0.0, 1 - self.set_threshold)
        sets = (
            f"The classes with a probability of at least {least:.1%} hold the true one for "
            f"{1 - self.error_rate:.0%} of pictures."
        )
        if self.wrong is None:
            return (
                f"{sets} Nothing is answered: {self.num_images} pictures do not show even the "
                f"surest answers to be wrong at most {self.error_rate:.1%} of the time."
            )
        which = "All pictures are answered"
        if self.answer_threshold > 0:
            which = (
                f"With a probability above {self.answer_threshold:.1%}, {self.answered:.0%} of "
                "pictures are answered"
            )
        return (
            f"{sets} {which}, and at most {self.error_rate:.1%} of these wrongly "
            f"(certainty {self.certainty:.0%})."
        )

    def to_json(self):
        """The figures as a dict; infinite thresholds, which JSON has not, are None.

        Whether all or nothing is answered then, `answered` tells.
        """
        values = dataclasses.asdict(self)
        finite = {
            key: None if isinstance(value, float) and math.isinf(value) else value
            for key, value in values.items()
        }
        return {**finite, "conclusion": self.conclusion}
