"""Accuracy over depth as a picture."""

from keras_transfer._figures import new_figure, save_figure, short_name

_ACCURACY, _CUT, _CKA = "#4c72b0", "#dd8452", "#55a868"


def plot_probes(probes, path):
    """Draws the accuracy at the end of each stage with its interval, and where to cut.

    Args:
        probes: `LayerProbes`.
        path: the PNG file to write.
    """
    stages = probes.stages
    figure, (accuracy, likeness) = new_figure(1, 2, (max(8.0, 1.5 * len(stages)), 3.6))
    places = range(len(stages))
    low, high = zip(*(stage.interval for stage in stages), strict=True)
    accuracy.fill_between(places, low, high, color=_ACCURACY, alpha=0.2, linewidth=0)
    accuracy.plot(places, [stage.accuracy for stage in stages], "o-", color=_ACCURACY)
    cut = [stage.boundary for stage in stages].index(probes.freeze_point)
    if probes.dead_stages:
        accuracy.axvline(cut, color=_CUT, linestyle="--", zorder=0)
        title = f"orange: features get no better after {stages[cut].stage}"
    elif probes.unclear_boundary is None:
        title = "features get better up to the end"
    else:
        title = "too few pictures to tell where to cut"
    accuracy.set_title(title, fontsize="medium", loc="left")
    accuracy.set(ylabel="linear probe, 95% interval")
    accuracy.yaxis.set_major_formatter("{x:.0%}")
    likeness.bar(
        [place + 0.5 for place in places[:-1]],
        [stage.cka_to_next for stage in stages[:-1]],
        width=0.6, color=_CKA,
    )  # fmt: skip
    likeness.set(ylabel="CKA of neighbours", ylim=(0, 1), xlim=(-0.5, len(stages) - 0.5))
    likeness.set_title("1: the next stage says the same", fontsize="medium", loc="left")
    names = [f"{stage.stage}\n{short_name(stage.boundary)}" for stage in stages]
    for panel in (accuracy, likeness):
        panel.set_xticks(places, names, rotation=30, ha="right", fontsize="small")
    save_figure(figure, path)
