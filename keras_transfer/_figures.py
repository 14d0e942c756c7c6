"""The style of all figures, and how they are written."""

import contextlib
import io
import re
import warnings

from keras_transfer._files import write_aside
from keras_transfer._text import one_line

# Names come from folders: a `$` in a name does not start a formula.
_STYLE = {"text.parse_math": False, "figure.dpi": 120, "font.size": 9}
# The colours of text and axes on a light page, which nothing else has, and on a dark one.
_INK, _INK_ON_DARK = "#1b1b1e", "#d5d5d8"
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


def save_figure(figure, path):
    """Writes a figure as a PNG file, all or nothing."""
    with _drawing(_STYLE):
        write_aside(path, lambda aside: figure.savefig(aside, format="png"))


def on_dark(svg):
    """The text of `svg_of` for a dark page."""
    return svg.replace(_INK, _INK_ON_DARK)


def svg_of(draw):
    """A figure as SVG text for a page, with a transparent background and text as text.

    Args:
        draw: a function without arguments that returns a figure.
    """
    with _drawing({**_STYLE, **_ON_PAGE}):
        written = io.BytesIO()
        draw().savefig(written, format="svg", metadata={"Date": None})
    text = written.getvalue().decode("utf-8")
    # The XML header names an address, and does not belong into HTML.
    return re.sub(r"^.*?(?=<svg)", "", text, flags=re.DOTALL)


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
