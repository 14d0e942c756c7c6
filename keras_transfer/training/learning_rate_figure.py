"""The loss over the learning rate as a picture."""

import numpy as np

from keras_transfer._figures import new_figure, save_figure

_RAW, _SMOOTHED, _STEEPEST, _VALLEY = "0.75", "#4c72b0", "#dd8452", "#55a868"


def plot_learning_rates(found, path):
    """Draws the loss over the learning rate, and marks the suggestions.

    Args:
        found: a `LearningRateRange`.
        path: the PNG file to write.
    """
    figure, (panel,) = new_figure(1, 1, (6.0, 3.8))
    panel.plot(found.rates, found.losses, color=_RAW, linewidth=0.8, label="loss of a batch")
    panel.plot(found.rates, found.smoothed, color=_SMOOTHED, label="smoothed")
    suggestions = [("steepest", "s", _STEEPEST), ("valley", "o", _VALLEY)]
    for name, marker, color in suggestions:
        rate = getattr(found, name)
        if rate is not None:
            loss = found.smoothed[found.rates.index(rate)]
            panel.plot(
                [rate], [loss], marker, color=color, markersize=7, linestyle="none",
                label=f"{name}: {rate:.1e}",
            )  # fmt: skip
    panel.set_xscale("log")
    # Matplotlib writes powers as formulas, of which the figures have none.
    panel.xaxis.set_major_formatter("{x:.0e}")
    panel.xaxis.set_minor_formatter("")
    panel.set(xlabel="learning rate", ylabel="loss", ylim=_limits(found))
    if found.diverged:
        title = f"stopped at {found.rates[-1]:.1e}, where the loss diverges"
        panel.set_title(title, fontsize="medium", loc="left")
    panel.legend(frameon=False)
    save_figure(figure, path)


def _limits(found):
    """Room for what the loss does before it diverges."""
    lowest, start = min(found.losses), np.median(found.losses[:10])
    return lowest - 0.05 * abs(start), max(1.5 * start - 0.5 * lowest, 1.05 * start)
