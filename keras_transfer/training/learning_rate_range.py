"""What a sweep of the learning rate shows."""

import bisect
import dataclasses

import numpy as np

# Rows of the table.
_SHOWN = 12
# At first the smoothed loss is that of a few batches, and moves with them.
_UNSETTLED = 5
# Steps that a slope is measured over: between neighbours it is that of their batches.
_SLOPE_STEPS = 11


@dataclasses.dataclass(frozen=True)
class LearningRateRange:
    """The loss of each step of a training whose learning rate rises geometrically.

    Attributes:
        rates: the learning rate of each step, a tuple.
        losses: the loss of each step, before it was taken; as many.
        smoothed: the same, smoothed exponentially.
        diverged: whether the sweep ended because the loss did.
    """

    rates: tuple
    losses: tuple
    smoothed: tuple
    diverged: bool

    @property
    def steepest(self):
        """The rate at which the smoothed loss falls fastest over the logarithm of the rate.

        The slope at a step is that of the straight line through the eleven steps around it,
        before the loss is lowest. None if it falls nowhere.
        """
        from scipy.signal import savgol_filter

        falling = self.smoothed[_UNSETTLED : int(np.argmin(self.smoothed)) + 1]
        window = min(_SLOPE_STEPS, len(falling) - 1 + len(falling) % 2)
        if window < 3:
            return None
        slopes = savgol_filter(falling, window, polyorder=1, deriv=1)
        steepest = int(slopes.argmin())
        return self.rates[_UNSETTLED + steepest] if slopes[steepest] < 0 else None

    @property
    def valley(self):
        """The rate two thirds down the longest descent of the smoothed loss.

        The longest descent is that of most steps, each lower than all those before it, where
        steps that are not may lie between; so noise does not end it. Its last third is where
        the loss levels out before it rises. None if the loss falls nowhere.
        """
        steps = longest_descent(self.smoothed)
        if len(steps) < 2:
            return None
        first, last = steps[0], steps[-1]
        return self.rates[first + round(2 / 3 * (last - first))]

    @property
    def conclusion(self):
        """A sentence on it."""
        if self.steepest is None and self.valley is not None:
            return (
                "The loss fell in the first steps alone, and had two thirds of its longest "
                f"descent behind it at a learning rate of {self.valley:.1e}."
            )
        if self.steepest is None or self.valley is None:
            return (
                f"The loss did not fall at any learning rate from {self.rates[0]:.1e} to "
                f"{self.rates[-1]:.1e}."
            )
        end = "diverged" if self.diverged else "had not diverged"
        return (
            f"The loss fell fastest at a learning rate of {self.steepest:.1e}, and had two "
            f"thirds of its longest descent behind it at {self.valley:.1e}; at "
            f"{self.rates[-1]:.1e} it {end}."
        )

    def rows(self):
        """The table as a list of tuples of strings, the first one its heads."""
        last = len(self.rates) - 1
        shown = {round(place) for place in np.linspace(0, last, min(_SHOWN, last + 1))}
        marks = {self.steepest: "steepest", self.valley: "valley"}
        if self.steepest == self.valley:
            marks = {self.valley: "steepest, valley"}
        shown |= {self.rates.index(rate) for rate in marks if rate is not None}
        rows = [("learning rate", "loss", "smoothed loss", "")]
        for step in sorted(shown):
            figures = self.rates[step], self.losses[step], self.smoothed[step]
            rate, loss, smoothed = figures
            rows.append((f"{rate:.1e}", f"{loss:.4f}", f"{smoothed:.4f}", marks.get(rate, "")))
        return rows

    def to_json(self):
        """The steps and the suggestions as numbers, strings, lists and dicts."""
        values = dataclasses.asdict(self)
        lists = {key: list(value) for key, value in values.items() if key != "diverged"}
        return {
            **values,
            **lists,
            "steepest": self.steepest,
            "valley": self.valley,
            "conclusion": self.conclusion,
        }


def longest_descent(values):
    """The places of the longest falling sequence that is left when some values are struck out.

    Of several as long the one that is complete first.

    Args:
        values: numbers.

    Returns:
        A list of places, rising.

    Reference: Fredman, On computing the length of longest increasing subsequences, Discrete
    Mathematics, 1975.
    """
    # Of all descents of k + 1 values, places[k] ends the one that ends highest: ends[k] is the
    # negative of its value, which rises with k, so that it can be searched.
    ends, places, before = [], [], []
    last = None
    for place, value in enumerate(values):
        length = bisect.bisect_left(ends, -value)
        before.append(places[length - 1] if length else None)
        if length == len(ends):
            last = place
        ends[length : length + 1] = [-value]
        places[length : length + 1] = [place]
    descent = []
    while last is not None:
        descent.append(last)
        last = before[last]
    return descent[::-1]
