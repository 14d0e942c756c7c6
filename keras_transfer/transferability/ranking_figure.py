"""A ranking as a picture."""

from keras_transfer._figures import new_figure, save_figure, short_name

_COLOUR, _PALE, _FRONT = "#4c72b0", "0.6", "#dd8452"
# With the word that names a random twin.
_WIDEST = 33


def plot_ranking(ranking, path):
    """Draws accuracy with its interval for each candidate, and accuracy over speed.

    Args:
        ranking: a `Ranking`.
        path: the PNG file to write.
    """
    scores = ranking.scores
    height = max(2.6, 0.34 * len(scores) + 1.2)
    figure, (accuracies, speeds) = new_figure(1, 2, (10, height))
    _draw_accuracies(accuracies, ranking)
    _draw_speeds(speeds, ranking)
    save_figure(figure, path)


def _draw_accuracies(panel, ranking):
    for place, score in enumerate(ranking.scores):
        low, high = score.interval
        colour = _COLOUR if score.name in ranking.ties else _PALE
        panel.plot([low, high], [place, place], color=colour, linewidth=2)
        panel.plot(score.accuracy, place, "o", color=colour)
    numbered = enumerate(ranking.scores, start=1)
    names = [f"{short_name(score.name, _WIDEST)}  {number}" for number, score in numbered]
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set(xlabel="expected accuracy, 95% interval")
    title = "blue: cannot be told from the best" if ranking.ties[1:] else "blue: the best"
    panel.set_title(title, fontsize="medium", loc="left")
    panel.xaxis.set_major_formatter("{x:.0%}")
    panel.margins(y=0.15)


def _draw_speeds(panel, ranking):
    front = sorted(
        (score for score in ranking.scores if score.name in ranking.pareto_front),
        key=lambda score: score.images_per_second,
    )
    panel.plot(
        [score.images_per_second for score in front],
        [score.accuracy for score in front],
        color=_FRONT,
        linewidth=1,
    )
    for number, score in enumerate(ranking.scores, start=1):
        colour = _FRONT if score.name in ranking.pareto_front else _PALE
        place = score.images_per_second, score.accuracy
        panel.plot(*place, "o", color=colour)
        panel.annotate(str(number), place, xytext=(5, 4), textcoords="offset points")
    panel.set(xlabel="pictures a second on this machine", ylabel="expected accuracy")
    panel.set_title("orange: none is faster and better", fontsize="medium", loc="left")
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.margins(0.15)
