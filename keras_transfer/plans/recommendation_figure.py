"""A recommendation as a picture."""

from keras_transfer._figures import new_figure, save_figure
from keras_transfer.plans.recommender import FEW_PER_CLASS, UNLIKE

_PRETRAINED, _RANDOM, _CHANCE = "#4c72b0", "#dd8452", "0.5"


def plot_recommendation(recommendation, path):
    """Draws what pretrained and random features are worth, and where the data lie.

    Args:
        recommendation: a `Recommendation`.
        path: the PNG file to write.
    """
    likeness = recommendation.likeness
    figure, (probes, place) = new_figure(1, 2, (9, 3.2))
    _draw_probes(probes, likeness)
    _draw_place(place, likeness)
    place.set_title(f"here: {recommendation.strategy}", fontsize="medium", loc="left")
    save_figure(figure, path)


def _draw_probes(panel, likeness):
    bars = (
        ("pretrained", likeness.accuracy, _PRETRAINED),
        ("random", likeness.random_accuracy, _RANDOM),
    )
    for position, (_, accuracy, colour) in enumerate(bars):
        panel.barh(position, accuracy, color=colour, height=0.6)
        end = max(accuracy, likeness.interval[1]) if position == 0 else accuracy
        panel.text(end, position, f" {accuracy:.1%}", va="center")
    panel.plot(likeness.interval, [0, 0], color="black", linewidth=1.5)
    panel.axvline(likeness.chance, color=_CHANCE, linestyle="--")
    panel.set_yticks(range(len(bars)), [f"{name} weights" for name, _, _ in bars])
    panel.invert_yaxis()
    panel.set(xlim=(0, 1.15), xlabel="accuracy of a linear probe; dashed: chance")
    panel.xaxis.set_major_formatter("{x:.0%}")


def _draw_place(panel, likeness):
    panel.plot(likeness.images_per_class, likeness.skill, "o", color=_PRETRAINED, markersize=10)
    panel.set(xscale="log", xlim=(1, 1e5), ylim=(-0.05, 1.05))
    panel.set(xlabel="pictures a class", ylabel="skill of pretrained features")
    panel.xaxis.set_major_formatter("{x:,.0f}")
    panel.xaxis.set_minor_formatter("")
    panel.axvspan(1, FEW_PER_CLASS, color="0.92", zorder=0)
    panel.axhline(UNLIKE, color="0.8", linewidth=0.8, zorder=0)
    for x, y, text in (
        (4.5, 0.5, "head"), (3e3, 0.75, "last stages"), (3e3, 0.25, "everything"),
    ):  # fmt: skip
        panel.text(x, y, text, color="0.45", ha="center", va="center")
