"""Which stages a training changed, as a picture."""

from keras_transfer._figures import new_figure, save_figure


def plot_stage_changes(changes, path):
    """Draws how like each stage's features stayed, and how far its weights moved.

    Args:
        changes: what `compare_stages` returns: a sequence of `StageChange`.
        path: the PNG file to write.
    """
    figure, (similar, moved) = new_figure(1, 2, (6.4, 0.32 * len(changes) + 1.2))
    names = [change.stage for change in changes]
    for panel, values, colour, label in (
        (similar, [c.similarity for c in changes], "#4c72b0", "similarity of features"),
        (moved, [c.weight_change for c in changes], "#dd8452", "relative change of weights"),
    ):
        bars = panel.barh(names, values, color=colour, height=0.6)
        panel.bar_label(bars, fmt="%.3g", padding=2, fontsize=8)
        panel.invert_yaxis()
        panel.set_xlabel(label)
        panel.margins(x=0.2)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    similar.set_xlim(0, 1.2)
    similar.set_xticks([0, 0.5, 1])
    moved.set_yticklabels([])
    moved.locator_params(axis="x", nbins=3)
    save_figure(figure, path)
