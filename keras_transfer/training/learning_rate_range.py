"""The result of a learning-rate sweep."""

import bisect
import dataclasses
import typing

import numpy as np

from keras_transfer._figures import BLUE, GREEN, GREY, ORANGE, panel_figure, set_title

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

# Rows of the table.
_SHOWN = 12
# Steps at the start in which the smoothed loss is still noisy.
_UNSETTLED = 5
# The number of steps that a slope is measured over, against the noise of single batches.
_SLOPE_STEPS = 11


@dataclasses.dataclass(frozen=True)
class LearningRateRange:
    """The loss of each step while the learning rate rises geometrically.

    Attributes:
        rates: the learning rate of each step, a tuple.
        losses: the loss of each step, before its update.
        smoothed: the same, smoothed exponentially.
        diverged: whether the sweep ended because the loss diverged.
    """

    rates: tuple
    losses: tuple
    smoothed: tuple
    diverged: bool

    @property
    def steepest(self):
        """The rate at which the smoothed loss falls fastest over the logarithm of the rate.

        The slope at a step is that of a line fitted to the eleven steps around it; only steps
        before the minimum count. None if the loss never falls.
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
        """The rate two thirds along the longest descent of the smoothed loss.

        The longest descent is the longest decreasing subsequence; noise does not end it. In its
        last third the loss levels out before it rises. None if the loss never falls.
        """
        steps = longest_descent(self.smoothed)
        if len(steps) < 2:
            return None
        first, last = steps[0], steps[-1]
        return self.rates[first + round(2 / 3 * (last - first))]

    @property
    def suggestion(self):
        """The rate to train with: `valley`; None if the loss never falls."""
        return self.valley

    @property
    def conclusion(self):
        """What the sweep shows, in a sentence."""
        if self.steepest is None and self.valley is not None:
            return (
                "The loss fell in the first steps only; two thirds of its longest descent lie "
                f"below a learning rate of {self.valley:.1e}."
            )
        if self.steepest is None or self.valley is None:
            return (
                f"The loss did not fall at any learning rate from {self.rates[0]:.1e} to "
                f"{self.rates[-1]:.1e}."
            )
        end = "diverged" if self.diverged else "had not diverged"
        return (
            f"Recommended: a learning rate of {self.suggestion:.1e}, two thirds along the "
            f"longest descent of the loss. The loss fell fastest at {self.steepest:.1e}; at "
            f"{self.rates[-1]:.1e} it {end}."
        )

    def rows(self):
        """The table as a list of tuples of strings, the first one the header."""
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


def plot_learning_rates(found: LearningRateRange) -> "Figure":
    """Plots the loss over the learning rate, and marks `steepest` and `valley`.

    Args:
        found: a `LearningRateRange`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    return panel_figure(draw_learning_rates, found, size=(6.0, 3.8))


def draw_learning_rates(panel, found):
    """The loss over the learning rate, with the suggestions."""
    panel.plot(found.rates, found.losses, color=GREY, linewidth=0.8, label="loss of a batch")
    panel.plot(found.rates, found.smoothed, color=BLUE, label="smoothed")
    suggestions = [("steepest", "s", ORANGE), ("valley", "o", GREEN)]
    for name, marker, color in suggestions:
        rate = getattr(found, name)
        if rate is not None:
            loss = found.smoothed[found.rates.index(rate)]
            panel.plot(
                [rate], [loss], marker, color=color, markersize=7, linestyle="none",
                label=f"{name}: {rate:.1e}",
            )  # fmt: skip
    panel.set_xscale("log")
    # By default matplotlib writes powers as formulas, which our figures do not parse.
    panel.xaxis.set_major_formatter("{x:.0e}")
    panel.xaxis.set_minor_formatter("")
    panel.set(xlabel="learning rate (logarithmic)", ylabel="loss", ylim=_limits(found))
    end = f", which diverges at {found.rates[-1]:.1e}" if found.diverged else ""
    set_title(panel, f"Loss by learning rate{end}")


def _limits(found):
    """The range of the loss before it diverges."""
    lowest, start = min(found.losses), np.median(found.losses[:10])
    return lowest - 0.05 * abs(start), max(1.5 * start - 0.5 * lowest, 1.05 * start)


def longest_descent(values):
    """The indices of the longest strictly decreasing subsequence; of several, the first.

    Args:
        values: numbers.

    Returns:
        A list of increasing indices.

    Reference: Fredman, On computing the length of longest increasing subsequences, Discrete
    Mathematics, 1975.
    """
    # Of all descents of k + 1 values, places[k] ends the one with the highest last value, and
    # ends[k] is the negative of that value: it increases with k, for the binary search.
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
