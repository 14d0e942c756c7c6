"""Figures of a ranking and of the probes of a backbone's stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_transfer._figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    new_figure,
    plot_intervals,
    set_title,
    short_name,
)
from keras_transfer.transferability.layer_probes import LayerProbes
from keras_transfer.transferability.rankings import Ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    draw_accuracies(accuracies, ranking)
    draw_speeds(speeds, ranking)
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
    width = max(9.0, 1.5 * len(probes.stages))
    figure, (accuracy, similarity) = new_figure(1, 2, (width, 3.8))
    draw_probes(accuracy, probes)
    draw_similarities(similarity, probes)
    return figure


def draw_probes(panel, probes):
    """The accuracy after each stage with its interval, and where to cut."""
    stages = probes.stages
    places = range(len(stages))
    low, high = zip(*(stage.interval for stage in stages), strict=True)
    panel.fill_between(places, low, high, color=BLUE, alpha=0.2, linewidth=0, label="95% CI")
    panel.plot(
        places, [stage.accuracy for stage in stages], "o-", color=BLUE, label="linear probe"
    )
    if probes.dead_stages:
        cut = [stage.boundary for stage in stages].index(probes.freeze_point)
        label = "no improvement after it"
        panel.axvline(cut, color=ORANGE, linestyle="--", zorder=0, label=label)
    panel.set(ylabel="cross-validated accuracy", xlim=(-0.5, len(stages) - 0.5))
    panel.yaxis.set_major_formatter("{x:.0%}")
    _name_stages(panel, stages)
    set_title(panel, "Accuracy on the features of each stage", columns=3)


def draw_similarities(panel, probes):
    """The CKA of the features of neighbouring stages."""
    stages = probes.stages
    panel.bar(
        [place + 0.5 for place in range(len(stages) - 1)],
        [stage.cka_to_next for stage in stages[:-1]],
        width=0.6, color=GREEN,
    )  # fmt: skip
    label = "CKA (1: equal up to rotation and scale)"
    panel.set(ylabel=label, ylim=(0, 1), xlim=(-0.5, len(stages) - 0.5))
    _name_stages(panel, stages)
    set_title(panel, "Similarity of neighbouring stages")


def _name_stages(panel, stages):
    names = [f"{short_name(stage.stage)}\n{short_name(stage.boundary)}" for stage in stages]
    panel.set_xticks(range(len(stages)), names, rotation=30, ha="right", fontsize="small")


def draw_accuracies(panel, ranking):
    """The accuracy of each candidate with its interval."""
    best = "no significant difference to the best" if ranking.ties[1:] else "best"
    numbered = enumerate(ranking.scores, start=1)
    plot_intervals(
        panel,
        [
            (
                f"{short_name(score.name, _WIDEST)}  {number}", score.accuracy, score.interval,
                *((BLUE, best) if score.name in ranking.ties else (GREY, "below the best")),
            )
            for number, score in numbered
        ],
    )  # fmt: skip
    panel.set(xlabel="cross-validated accuracy of a linear probe, 95% CI")
    panel.xaxis.set_major_formatter("{x:.0%}")
    set_title(panel, "Expected accuracy")


def draw_speeds(panel, ranking):
    """The accuracy of each candidate over its speed."""
    places = [(score.images_per_second, score.accuracy) for score in ranking.scores]
    is_on_front = [score.name in ranking.pareto_front for score in ranking.scores]
    front = sorted(place for place, on in zip(places, is_on_front, strict=True) if on)
    panel.plot(*zip(*front, strict=True), color=ORANGE, linewidth=1)
    for number, (place, on) in enumerate(zip(places, is_on_front, strict=True), start=1):
        colour, label = (ORANGE, "Pareto-optimal") if on else (GREY, "another one beats it")
        panel.plot(*place, "o", color=colour, label=label)
        panel.annotate(str(number), place, xytext=(5, 4), textcoords="offset points")
    panel.set(xlabel="images per second on this machine", ylabel="expected accuracy")
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.margins(0.15)
    set_title(panel, "Accuracy and speed, numbered by rank")
