"""Learning curves and the confusion matrix as pictures."""

import importlib.util
import warnings

from keras_transfer.cli.messages import one_line
from keras_transfer.files import write_aside

# Names come from folders: a `$` in one is no formula.
_STYLE = {"text.parse_math": False, "figure.dpi": 120, "font.size": 9}


# Characters of a name: a longer one would leave no room for the picture.
_WIDEST = 24


def can_plot():
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def plot_learning_curves(history, phases, path):
    """Draws loss and accuracy over the epochs, with the phases marked.

    Args:
        history: a dict of metric to its values, one an epoch.
        phases: the name of each epoch's phase.
        path: the PNG file to write.
    """
    metrics = [name for name in ("loss", "accuracy") if name in history]
    figure, panels = _figure(1, len(metrics), (4.5 * len(metrics), 3.4))
    epochs = range(1, len(phases) + 1)
    for panel, metric in zip(panels, metrics, strict=True):
        panel.plot(epochs, history[metric], color="#4c72b0", label="training")
        if f"val_{metric}" in history:
            panel.plot(epochs, history[f"val_{metric}"], color="#dd8452", label="validation")
        for epoch in epochs:
            if epoch == 1 or phases[epoch - 1] != phases[epoch - 2]:
                panel.axvline(epoch - 0.5, color="0.75", linewidth=0.8, zorder=0)
                panel.annotate(
                    phases[epoch - 1],
                    (epoch - 0.5, 1.01),
                    xycoords=("data", "axes fraction"),
                    color="0.4",
                )
        panel.set(xlabel="epoch", ylabel=metric, xlim=(0.5, len(phases) + 0.5))
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend(frameon=False)
    _save(figure, path)


def plot_confusion(counts, class_names, path):
    """Draws a confusion matrix, a row for each true class, shaded by the share of the row.

    Args:
        counts: a square list of lists of counts.
        class_names: the names of the classes.
        path: the PNG file to write.
    """
    size = max(3.6, 0.42 * len(class_names) + 1.8)
    figure, (panel,) = _figure(1, 1, (size, size))
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(class_names))
    names = [one_line(name) for name in class_names]
    names = [name if len(name) <= _WIDEST else f"{name[: _WIDEST - 1]}…" for name in names]
    panel.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(ticks, names)
    panel.set(xlabel="predicted", ylabel="true")
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count and len(class_names) <= 40:
                color = "white" if shares[i][j] > 0.5 else "black"
                panel.text(j, i, str(count), ha="center", va="center", color=color)
    _save(figure, path)


def _figure(rows, columns, size):
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No pyplot: it would look for a screen, and keep the figures.
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(rows, columns, squeeze=False)[0]
    return figure, panels


def _save(figure, path):
    import matplotlib

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Its font has no Chinese and no emoji: an empty box stands there.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        write_aside(path, lambda aside: figure.savefig(aside, format="png"))
