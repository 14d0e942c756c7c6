"""Figures of a ranking and of the probes of a backbone's stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_transfer._figures import new_figure, short_name
from keras_transfer.transferability.layer_probes import LayerProbes
from keras_transfer.transferability.rankings import Ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN, _GREY = "#4c72b0", "#dd8452", "#55a868", "0.6"
# Characters of a name, with " (random)" at its end.
_WIDEST = 33


def plot_ranking(ranking: Ranking) -> Figure:
    """Draws the accuracy of each candidate with its interval, and accuracy over speed.

    Args:
        ranking: a `Ranking`.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> ranking = transferability.rank_backbones(backbone, train)
        >>> transferability.plot_ranking(ranking).savefig("ranking.png")
    """
    height = max(2.6, 0.34 * len(ranking.scores) + 1.2)
    figure, (accuracies, speeds) = new_figure(1, 2, (10, height))
    _draw_accuracies(accuracies, ranking)
    _draw_speeds(speeds, ranking)
    return figure


def plot_probes(probes: LayerProbes) -> Figure:
    """Draws the accuracy after each stage with its interval, where to cut, and the CKA.

    Args:
        probes: `LayerProbes`.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> probes = transferability.probe_layers(backbone, train)
        >>> transferability.plot_probes(probes).savefig("probes.png")
    """
    stages = probes.stages
    figure, (accuracy, similarity) = new_figure(1, 2, (max(8.0, 1.5 * len(stages)), 3.6))
    places = range(len(stages))
    low, high = zip(*(stage.interval for stage in stages), strict=True)
    accuracy.fill_between(places, low, high, color=_BLUE, alpha=0.2, linewidth=0)
    accuracy.plot(places, [stage.accuracy for stage in stages], "o-", color=_BLUE)
    cut = [stage.boundary for stage in stages].index(probes.freeze_point)
    if probes.dead_stages:
        accuracy.axvline(cut, color=_ORANGE, linestyle="--", zorder=0)
        title = f"orange: no improvement after {stages[cut].stage}"
    elif probes.unclear_boundary is None:
        title = "every stage improves the features"
    else:
        title = "too few images to choose a cut"
    accuracy.set_title(title, fontsize="medium", loc="left")
    accuracy.set(ylabel="accuracy of a linear probe, 95% CI")
    accuracy.yaxis.set_major_formatter("{x:.0%}")
    similarity.bar(
        [place + 0.5 for place in places[:-1]],
        [stage.cka_to_next for stage in stages[:-1]],
        width=0.6, color=_GREEN,
    )  # fmt: skip
    similarity.set(ylabel="CKA of neighbours", ylim=(0, 1), xlim=(-0.5, len(stages) - 0.5))
    similarity.set_title("1: equal up to rotation and scale", fontsize="medium", loc="left")
    names = [f"{stage.stage}\n{short_name(stage.boundary)}" for stage in stages]
    for panel in (accuracy, similarity):
        panel.set_xticks(places, names, rotation=30, ha="right", fontsize="small")
    return figure


def _draw_accuracies(panel, ranking):
    for place, score in enumerate(ranking.scores):
        colour = _BLUE if score.name in ranking.ties else _GREY
        panel.plot(score.interval, [place, place], color=colour, linewidth=2)
        panel.plot(score.accuracy, place, "o", color=colour)
    numbered = enumerate(ranking.scores, start=1)
    names = [f"{short_name(score.name, _WIDEST)}  {number}" for number, score in numbered]
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set(xlabel="expected accuracy, 95% CI")
    title = "blue: no significant difference to the best" if ranking.ties[1:] else "blue: best"
    panel.set_title(title, fontsize="medium", loc="left")
    panel.xaxis.set_major_formatter("{x:.0%}")
    panel.margins(y=0.15)


def _draw_speeds(panel, ranking):
    places = [(score.images_per_second, score.accuracy) for score in ranking.scores]
    is_on_front = [score.name in ranking.pareto_front for score in ranking.scores]
    front = sorted(place for place, on in zip(places, is_on_front, strict=True) if on)
    panel.plot(*zip(*front, strict=True), color=_ORANGE, linewidth=1)
    for number, (place, on) in enumerate(zip(places, is_on_front, strict=True), start=1):
        panel.plot(*place, "o", color=_ORANGE if on else _GREY)
        panel.annotate(str(number), place, xytext=(5, 4), textcoords="offset points")
    panel.set(xlabel="images per second on this machine", ylabel="expected accuracy")
    panel.set_title("orange: Pareto-optimal", fontsize="medium", loc="left")
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.margins(0.15)
