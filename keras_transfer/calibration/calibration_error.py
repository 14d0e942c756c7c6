"""The expected calibration error: whether the confidence of a model equals its accuracy."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from keras_transfer._figures import (
    BLUE,
    GREY,
    ORANGE,
    RULE,
    SEPARATOR,
    new_figure,
    set_title,
    short_name,
)
from keras_transfer._statistics.groups import effective_number
from keras_transfer.calibration.error_intervals import error_interval
from keras_transfer.calibration.predictions import check_predictions
from keras_transfer.models.image_batches import check_positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """Images with similar confidence.

    Attributes:
        low: the lower bound of their confidence, excluded.
        high: the upper bound, included.
        confidence: their mean confidence.
        accuracy: the accuracy on them.
        count: the number of images, at least 1.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The calibration of a model, measured on labelled images.

    Attributes:
        ece: the expected calibration error, from 0 to 1.
        interval: `(low, high)`, its 95% confidence interval.
        bins: a tuple of `ReliabilityBin`, by confidence; empty bins are left out.
        accuracy: of all images.
        confidence: the mean probability of the predicted class.
        num_images: the number of images.
    """

    ece: float
    interval: tuple[float, float]
    bins: tuple[ReliabilityBin, ...]
    accuracy: float
    confidence: float
    num_images: int

    @property
    def conclusion(self) -> str:
        """One sentence: accuracy, confidence, error, and whether the error is significant."""
        low, high = self.interval
        found = "no significant miscalibration"
        if low > 0:
            found = self._direction()
        return (
            f"Mean confidence {self.confidence:.1%}, accuracy {self.accuracy:.1%} (n = "
            f"{self.num_images}), expected calibration error {self.ece:.1%} (95% CI {low:.1%} "
            f"to {high:.1%}): {found}."
        )

    def _direction(self):
        """The error is a mean of absolute differences: their sum may have no direction."""
        excess = self.confidence - self.accuracy
        if abs(excess) < self.ece / 2:
            return "miscalibrated, in both directions"
        return "overconfident" if excess > 0 else "underconfident"

    def to_json(self):
        """The attributes and the conclusion as plain values."""
        return {**dataclasses.asdict(self), "conclusion": self.conclusion}


def measure_calibration(
    probabilities: np.ndarray,
    labels: np.ndarray,
    num_bins: int = 15,
    num_draws: int = 1000,
    seed: int = 0,
    groups: Sequence | np.ndarray | None = None,
) -> Calibration:
    """The expected calibration error with its bins and its confidence interval.

    Images are put into bins of equal width by the probability of the predicted class. The
    absolute difference of mean confidence and accuracy in each bin is weighted by its number of
    images.

    Chance makes the error larger. The interval holds the true errors of those models whose
    measured errors would contain the one found. It starts at 0 if a calibrated model would have
    such an error by chance, and includes the error itself.

    Args:
        probabilities: an array `(images, classes)`.
        labels: the true classes, integers of shape `(images,)`.
        num_bins: the number of bins. Defaults to 15.
        num_draws: the number of simulated sets of images. Defaults to 1000.
        seed: of the simulation. Defaults to 0.
        groups: for each image its group, such as a patient, or None: images of a group are
            alike, so intervals count groups. Defaults to None, no groups.

    Returns:
        A `Calibration`.

    Raises:
        ValueError: if the probabilities, the labels or `num_bins` are not valid.

    Example:

    >>> found = calibration.measure_calibration(model.predict(images, verbose=0), labels)
    >>> found.num_images, len(found.interval)
    (9, 2)

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3;
    Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 5.4 (intervals
    by inverting tests); Bröcker and Smith, Increasing the Reliability of Reliability Diagrams,
    2007, for the error of a calibrated model.
    """
    check_positive("num_bins", num_bins)
    probabilities, labels = check_predictions(probabilities, labels)
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, num_bins + 1)
    numbers = np.searchsorted(edges[1:-1], confidence, side="left")
    found, numbers, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    confidences = np.bincount(numbers, confidence) / counts
    accuracies = np.bincount(numbers, hits) / counts
    gaps = confidences - accuracies
    number = effective_number(confidence - hits, groups)
    return Calibration(
        ece=float((counts * np.abs(gaps)).sum() / len(hits)),
        interval=error_interval(
            counts * (number / len(hits)), confidences, gaps, num_draws, seed
        ),
        bins=tuple(
            ReliabilityBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                confidence=float(confidences[place]),
                accuracy=float(accuracies[place]),
                count=int(counts[place]),
            )
            for place, number in enumerate(found)
        ),
        accuracy=float(hits.mean()),
        confidence=float(confidence.mean()),
        num_images=len(hits),
    )


def plot_reliability(calibrations: Calibration | dict[str, Calibration]) -> Figure:
    """Draws a reliability diagram: accuracy and number of images by confidence.

    Args:
        calibrations: a `Calibration`, or a dict of title to `Calibration` for several side by
            side, such as `{"before": ..., "after": ...}`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(calibrations, Calibration):
        calibrations = {"": calibrations}
    found = list(calibrations.values()) if isinstance(calibrations, dict) else []
    if not found or not all(isinstance(one, Calibration) for one in found):
        raise ValueError(
            "`calibrations` must be a `Calibration` or a dict of title to `Calibration`. "
            f"Received: {type(calibrations).__name__}"
        )
    columns = len(found)
    figure, panels = new_figure(2, columns, (0.8 + 3.6 * columns, 5.4))
    panels[0].get_gridspec().set_height_ratios([3, 1])
    for column, (title, calibration) in enumerate(calibrations.items()):
        _draw_accuracy(panels[column], calibration, title)
        _draw_counts(panels[columns + column], calibration)
    return figure


def _draw_accuracy(panel, calibration, title):
    """The accuracy of each bin, and its difference to the confidence."""
    bins = calibration.bins
    places = [(one.low + one.high) / 2 for one in bins]
    widths = [max(one.high - one.low, 0.002) for one in bins]
    accuracies = [one.accuracy for one in bins]
    gaps = [one.confidence - one.accuracy for one in bins]
    panel.bar(places, accuracies, widths, color=BLUE, edgecolor=SEPARATOR, label="accuracy")
    panel.bar(
        places, gaps, widths, accuracies, label="to the confidence",
        color="none", edgecolor=ORANGE, hatch="////", linewidth=0.8,
    )  # fmt: skip
    panel.plot([0, 1], [0, 1], "--", color=RULE, linewidth=0.8, label="calibrated")
    low, high = calibration.interval
    name = f"{short_name(title)}: " if title else ""
    panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    _in_percent(panel.xaxis, panel.yaxis)
    set_title(panel, f"{name}ECE {calibration.ece:.1%} ({low:.1%} to {high:.1%})", columns=3)


def _draw_counts(panel, calibration):
    """The number of images of each bin, and the means."""
    bins = calibration.bins
    places = [(one.low + one.high) / 2 for one in bins]
    widths = [max(one.high - one.low, 0.002) for one in bins]
    panel.bar(places, [one.count for one in bins], widths, color=GREY, edgecolor=SEPARATOR)
    means = (("mean accuracy", calibration.accuracy, BLUE, "-"),
             ("mean confidence", calibration.confidence, ORANGE, "--"))  # fmt: skip
    for name, value, colour, style in means:
        label = f"{name} {value:.1%}"
        panel.axvline(value, color=colour, linewidth=1.4, linestyle=style, label=label)
    panel.set(xlim=(0, 1), xlabel="confidence", ylabel="examples")
    _in_percent(panel.xaxis)
    panel.yaxis.get_major_locator().set_params(integer=True)
    set_title(panel, "")


def _in_percent(*axes):
    for axis in axes:
        axis.set_major_formatter("{x:.0%}")
