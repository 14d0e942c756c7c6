"""Reliability diagrams."""

from keras_transfer._figures import new_figure, save_figure, short_name
from keras_transfer.calibration.calibration import Calibration

_ACCURACY, _GAP, _COUNT = "#4c72b0", "#dd8452", "0.6"


def plot_reliability(calibrations, path):
    """Draws how often a model is right beside how sure it is, and how often it is how sure.

    Args:
        calibrations: a `Calibration`, or a dict of title to `Calibration` for several beside
            each other, such as `{"before": ..., "after": ...}`.
        path: the PNG file to write.

    Raises:
        ValueError: for anything else.
    """
    save_figure(reliability_diagram(calibrations), path)


def reliability_diagram(calibrations):
    """The figure of `plot_reliability`."""
    if isinstance(calibrations, Calibration):
        calibrations = {"": calibrations}
    is_dict = isinstance(calibrations, dict) and calibrations
    if not is_dict or not all(isinstance(one, Calibration) for one in calibrations.values()):
        raise ValueError(
            "`calibrations` must be a `Calibration` or a dict of title to `Calibration`. "
            f"Received: {type(calibrations).__name__}"
        )
    columns = len(calibrations)
    figure, panels = new_figure(2, columns, (1.0 + 3.6 * columns, 5.0))
    panels[0].get_gridspec().set_height_ratios([3, 1])
    for column, (title, calibration) in enumerate(calibrations.items()):
        _draw_bins(panels[column], calibration, title)
        _draw_counts(panels[columns + column], calibration)
    panels[0].set_ylabel("share that is right")
    panels[columns].set_ylabel("pictures")
    panels[0].legend(frameon=False, loc="upper left")
    return figure


def _draw_bins(panel, calibration, title):
    bins = calibration.bins
    places, widths = _places(bins)
    accuracies = [one.accuracy for one in bins]
    panel.bar(places, accuracies, widths, color=_ACCURACY, edgecolor="white", label="accuracy")
    panel.bar(
        places, [one.confidence - one.accuracy for one in bins], widths, accuracies,
        color="none", edgecolor=_GAP, hatch="////", linewidth=0.8, label="gap to confidence",
    )  # fmt: skip
    panel.plot([0, 1], [0, 1], "--", color="0.4", linewidth=0.8)
    low, high = calibration.interval
    name = f"{short_name(title)}: " if title else ""
    panel.set_title(
        f"{name}ECE {calibration.ece:.1%} ({low:.1%} to {high:.1%})",
        fontsize="medium", loc="left",
    )  # fmt: skip
    panel.set(xlim=(0, 1), ylim=(0, 1))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter("{x:.0%}")


def _draw_counts(panel, calibration):
    places, widths = _places(calibration.bins)
    counts = [one.count for one in calibration.bins]
    panel.bar(places, counts, widths, color=_COUNT, edgecolor="white")
    panel.axvline(calibration.accuracy, color=_ACCURACY, linewidth=1.2)
    panel.axvline(calibration.confidence, color=_GAP, linewidth=1.2, linestyle="--")
    panel.set(xlim=(0, 1), xlabel="confidence; lines: mean accuracy and, dashed, confidence")
    panel.xaxis.label.set_fontsize("small")
    panel.xaxis.set_major_formatter("{x:.0%}")
    panel.yaxis.get_major_locator().set_params(integer=True)


def _places(bins):
    widths = [max(one.high - one.low, 0.002) for one in bins]
    return [(one.low + one.high) / 2 for one in bins], widths
