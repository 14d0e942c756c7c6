"""The figures about a training: learning curves, confusion matrix, time."""

from keras_transfer._figures import new_figure, short_name

METRICS = ("loss", "accuracy")
# With more classes, names and numbers have no room.
_MOST_CELLS = 40
_TRAINING, _VALIDATION = "#4c72b0", "#dd8452"


def learning_curves(history, phases, metrics=METRICS):
    """Plots metrics over the epochs, with the phases marked.

    Args:
        history: a dict of metric to its values, one per epoch.
        phases: the name of each epoch's phase.
        metrics: which metrics, if the history has them. Defaults to loss and accuracy.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    metrics = [name for name in metrics if name in history]
    figure, panels = new_figure(1, len(metrics), (4.5 * len(metrics), 3.4))
    epochs = range(1, len(phases) + 1)
    for panel, metric in zip(panels, metrics, strict=True):
        panel.plot(epochs, history[metric], ".-", color=_TRAINING, label="training")
        if f"val_{metric}" in history:
            held_out = history[f"val_{metric}"]
            panel.plot(epochs, held_out, ".-", color=_VALIDATION, label="validation")
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
    return figure


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
    panel.set(xlabel="predicted", ylabel="true")
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
    figure, (panel,) = new_figure(1, 1, (6.5, 0.32 * len(parts) + 0.7))
    for place, (_, seconds) in enumerate(parts):
        panel.barh(place, seconds, color=_TRAINING, height=0.65)
        panel.text(seconds, place, f" {seconds:.1f} s", va="center")
    panel.set_yticks(range(len(parts)), [what for what, _ in parts])
    panel.invert_yaxis()
    panel.margins(x=0.15)
    panel.set_xlabel("seconds")
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    return figure
