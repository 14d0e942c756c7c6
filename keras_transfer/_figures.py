"""The style of all figures, and how they are written."""

import contextlib
import io
import re
import warnings

from keras_transfer._files import write_aside
from keras_transfer._text import one_line

# Names come from folders: a `$` in a name does not start a formula.
_STYLE = {"text.parse_math": False, "figure.dpi": 120, "font.size": 9}
# The colours of all figures. A page shows each as its own variable, light or dark.
BLUE, ORANGE, GREEN, RED, GREY = "#4c72b0", "#dd8452", "#55a868", "#c44e52", "#999999"
RULE, BAND, SEPARATOR = "#6a6a6a", "#ebebeb", "#fefefe"
_INK = "#1b1b1e"
_VARIABLES = {
    BLUE: "blue", ORANGE: "orange", GREEN: "green", RED: "red", GREY: "grey", RULE: "soft",
    BAND: "band", SEPARATOR: "card", _INK: "ink", "#000000": "ink", "#cccccc": "line",
}  # fmt: skip
_INKED = (
    "text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color",
    "axes.titlecolor",
)  # fmt: skip
# On a page: a transparent background, and text as text, in the font of the page.
_ON_PAGE = {
    **dict.fromkeys(_INKED, _INK),
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "svg.fonttype": "none", "svg.hashsalt": "keras-transfer",
}  # fmt: skip
# The number of characters of a name; a longer one leaves no room for the plot.
_WIDEST = 24


def new_figure(rows, columns, size):
    """A figure and its panels, made without pyplot.

    Args:
        rows: the number of rows of panels.
        columns: the number of columns of panels.
        size: width and height in inches.

    Returns:
        The `matplotlib.figure.Figure`, and a flat list of its panels, row by row.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # pyplot would look for a screen, and keep the figures in memory.
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(rows, columns, squeeze=False)
    return figure, list(panels.flat)


def panel_figure(draw, *arguments, size=(4.4, 3.0)):
    """A figure of one panel, which `draw(panel, *arguments)` draws."""
    figure, (panel,) = new_figure(1, 1, size)
    draw(panel, *arguments)
    return figure


def set_title(panel, title, columns=2):
    """Sets the title of a panel, and below it the legend of everything that has a label."""
    handles, labels = panel.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    lines = -(-len(entries) // columns)
    panel.set_title(title, loc="left", fontsize="medium", pad=6 + 13 * lines)
    if entries:
        # To the left it may reach over the names of the rows.
        panel.legend(
            entries.values(), entries.keys(), ncols=columns, frameon=False, fontsize="small",
            loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, handlelength=1.4,
        )  # fmt: skip


def plot_intervals(panel, rows):
    """Points with intervals, one below the other.

    Args:
        panel: the panel.
        rows: tuples of a name, a value, its `(low, high)` or None, a colour and what the colour
            means, which the legend of `set_title` says.
    """
    for place, (_, value, interval, colour, meaning) in enumerate(rows):
        if interval is not None:
            panel.plot(interval, [place, place], color=colour, linewidth=2)
        panel.plot(value, place, "o", color=colour, label=meaning)
    panel.set_yticks(range(len(rows)), [name for name, *_ in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)


def save_figure(figure, path):
    """Writes a figure as a PNG file, all or nothing."""
    with _drawing(_STYLE):
        write_aside(path, lambda aside: figure.savefig(aside, format="png"))


def svg_of(draw, prefix):
    """A figure as an SVG element for a page, in whose font and colours it appears.

    Args:
        draw: a function without arguments that returns a figure.
        prefix: a word that no other figure of the page has: it makes the ids differ.

    Returns:
        The text of the element, which has no script and no address outside the page.
    """
    with _drawing({**_STYLE, **_ON_PAGE}):
        written = io.BytesIO()
        draw().savefig(written, format="svg", metadata={"Date": None})
    text = written.getvalue().decode("utf-8")
    # The XML header, the style for all elements, and the metadata do not belong into HTML.
    for unwanted in (r"^.*?(?=<svg)", r"<metadata>.*?</metadata>", r"<style.*?</style>"):
        text = re.sub(unwanted, "", text, count=1, flags=re.DOTALL)
    text = re.sub(r" font-family: [^;\"]*;?", "", text)
    text = re.sub(r" id=\"(?![hmp][0-9a-f]{10}\")[^\"]*\"", "", text)  # nothing refers to these
    text = re.sub(r"(id=\"|url\(#|href=\"#)(?=[hmp][0-9a-f]{10}\b)", rf"\1{prefix}-", text)
    return re.sub(
        r"(fill|stroke): (#[0-9a-f]{6})",
        lambda found: f"{found[1]}: {_variable(found[2])}",
        text,
    )


def _variable(colour):
    name = _VARIABLES.get(colour)
    return f"var(--{name})" if name else colour


@contextlib.contextmanager
def _drawing(style):
    import matplotlib

    with matplotlib.rc_context(style), warnings.catch_warnings():
        # Its font has no Chinese characters and no emoji: it draws empty boxes.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        yield


def short_name(name, widest=_WIDEST):
    """A name on one line, cut to the room in a figure."""
    name = one_line(name)
    return name if len(name) <= widest else f"{name[: widest - 1]}…"
