"""The figures about a training: learning curves, time, and what was predicted."""

import numpy as np

from keras_transfer._figures import (
    BLUE,
    ORANGE,
    RULE,
    new_figure,
    plot_intervals,
    set_title,
    short_name,
)

METRICS = ("loss", "accuracy", "mean_iou", "auc", "mean_absolute_error")
_WORDS = {"auc": "AUC", "mean_iou": "mean IoU", "mean_absolute_error": "mean absolute error"}
# With more classes, names and numbers have no room.
_MOST_CELLS = 40
# Numbers, and images of each.
MOST_PANELS, _MOST_DOTS = 6, 800


def learning_curves(history, phases, metrics=METRICS, kept=None):
    """Plots metrics over the epochs, with the phases marked.

    Args:
        history: a dict of metric to its values, one per epoch.
        phases: the name of each epoch's phase.
        metrics: which metrics, if the history has them. Defaults to those of all heads.
        kept: the number of the epoch whose weights were kept, from 1. Defaults to None.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    metrics = [name for name in metrics if name in history]
    figure, panels = new_figure(1, len(metrics), (4.5 * len(metrics), 3.2))
    for panel, metric in zip(panels, metrics, strict=True):
        _draw_curves(panel, history, phases, metric, kept)
    return figure


def _draw_curves(panel, history, phases, metric, kept):
    epochs = range(1, len(phases) + 1)
    panel.plot(epochs, history[metric], ".-", color=BLUE, label="training")
    if f"val_{metric}" in history:
        values = history[f"val_{metric}"]
        panel.plot(epochs, values, ".-", color=ORANGE, label="validation")
    if kept is not None:
        label = f"kept: epoch {kept}"
        panel.axvline(kept, color=RULE, linestyle=":", linewidth=1.2, zorder=0, label=label)
    for epoch in epochs:
        if epoch == 1 or phases[epoch - 1] != phases[epoch - 2]:
            panel.axvline(epoch - 0.5, color="#cccccc", linewidth=0.8, zorder=0)
            panel.annotate(
                short_name(phases[epoch - 1]), (epoch - 0.5, 1.01),
                xycoords=("data", "axes fraction"), color=RULE, fontsize="small",
            )  # fmt: skip
    word = _WORDS.get(metric, metric)
    panel.set(xlabel="epoch", ylabel=word, xlim=(0.5, len(phases) + 0.5))
    if metric in ("accuracy", "mean_iou"):
        panel.yaxis.set_major_formatter("{x:.0%}")
    panel.set_title(
        f"{word[0].upper()}{word[1:]} by epoch", loc="left", fontsize="medium", pad=18
    )
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.legend(frameon=False, fontsize="small")


def confusion_figure(counts, class_names):
    """Plots a confusion matrix, a row for each true class, shaded by its share of the row.

    Args:
        counts: a square list of lists of counts.
        class_names: the names of the classes.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    size = 0.42 * min(max(len(class_names), 4), _MOST_CELLS) + 1.8
    figure, (panel,) = new_figure(1, 1, (size, size))
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    # Of very many classes only some are named: a larger figure would fill the memory.
    ticks = range(0, len(class_names), -(-len(class_names) // _MOST_CELLS))
    names = [short_name(class_names[tick]) for tick in ticks]
    panel.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(ticks, names)
    panel.set(xlabel="predicted class", ylabel="true class")
    title = "Images by true and predicted class, shaded by the share of the row"
    panel.set_title(title, loc="left", fontsize="medium", wrap=True)
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count and len(class_names) <= _MOST_CELLS:
                color = "white" if shares[i][j] > 0.5 else "black"
                panel.text(j, i, str(count), ha="center", va="center", color=color)
    return figure


def time_figure(parts):
    """Plots a bar for each part of the time.

    Args:
        parts: pairs of a name and a number of seconds.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure, (panel,) = new_figure(1, 1, (4.6, 0.32 * len(parts) + 0.9))
    for place, (_, seconds) in enumerate(parts):
        panel.barh(place, seconds, color=BLUE, height=0.65)
        panel.text(seconds, place, f" {seconds:.1f} s", va="center")
    panel.set_yticks(range(len(parts)), [short_name(what) for what, _ in parts])
    panel.invert_yaxis()
    panel.margins(x=0.22)
    panel.set_xlabel("seconds")
    panel.set_title("Time by part of the run", loc="left", fontsize="medium")
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    return figure


def label_figure(measured):
    """Plots the average precision of each label beside the share of images that have it.

    Args:
        measured: the measures of a split, as `per_label` gives them.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    found = measured["labels"]
    known = [name for name in found if found[name]["average_precision"] is not None]
    known = sorted(known, key=lambda name: found[name]["average_precision"])[:_MOST_CELLS]
    figure, (panel,) = new_figure(1, 1, (4.6, 0.26 * len(known) + 1.2))
    rows = [
        (
            short_name(name), found[name]["average_precision"],
            found[name]["average_precision_interval"], BLUE, "average precision, 95% CI",
        )
        for name in known
    ]  # fmt: skip
    plot_intervals(panel, rows)
    shares = [found[name]["images"] / measured["images"] for name in known]
    panel.plot(shares, range(len(known)), "|", color=ORANGE, markersize=9, label="chance")
    panel.set(xlim=(0, 1), xlabel="average precision")
    panel.xaxis.set_major_formatter("{x:.0%}")
    set_title(panel, "Average precision by label")
    return figure


def number_figure(predictions, names):
    """Plots the predicted against the true numbers, a panel for each of the first six.

    Args:
        predictions: the `Predictions` of a split.
        names: of the numbers.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    names = list(names)[:MOST_PANELS]
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure, panels = new_figure(rows, columns, (3.6 * columns, 3.4 * rows))
    for panel in panels[len(names) :]:
        panel.remove()
    for index, (panel, name) in enumerate(zip(panels, names, strict=False)):
        draw_number(panel, predictions, index, name)
    return figure


def draw_number(panel, predictions, index, name):
    """Draws the predicted against the true values of one number, at most 800 images."""
    total = len(predictions.labels)
    some = np.linspace(0, total - 1, min(total, _MOST_DOTS)).astype(int)
    true, predicted = predictions.labels[some, index], predictions.outputs[some, index]
    panel.plot(true, predicted, "o", color=BLUE, markersize=3, alpha=0.6)
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    panel.plot(ends, ends, "--", color=RULE, linewidth=1, label="predicted = true")
    panel.set(xlabel=f"true {short_name(name)}", ylabel=f"predicted {short_name(name)}")
    set_title(panel, "Predicted by true number", columns=1)
