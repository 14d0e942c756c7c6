"""What all figures have in common."""

import contextlib
import io
import re
import warnings

from keras_transfer._files import write_aside
from keras_transfer._text import one_line

# Names come from folders: a `$` in one is no formula.
_STYLE = {"text.parse_math": False, "figure.dpi": 120, "font.size": 9}
_ON_DARK = {
    key: "#d5d5d8"
    for key in (
        "text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color",
        "axes.titlecolor",
    )
}  # fmt: skip
# A page lays its own ground under them; text stays text, in the page's font.
_ON_PAGE = {
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "svg.fonttype": "none", "svg.hashsalt": "keras-transfer",
}  # fmt: skip
# Characters of a name: a longer one would leave no room for the picture.
_WIDEST = 24


def new_figure(rows, columns, size):
    """A figure and its panels, made without pyplot.

    Args:
        rows: of panels.
        columns: of panels.
        size: width and height in inches.

    Returns:
        The `matplotlib.figure.Figure`, and a flat list of its panels, row by row.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No pyplot: it would look for a screen, and keep the figures.
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(rows, columns, squeeze=False)
    return figure, list(panels.flat)


def save_figure(figure, path):
    """Writes a figure as a PNG file, all or nothing."""
    with _drawing(_STYLE):
        write_aside(path, lambda aside: figure.savefig(aside, format="png"))


def svg_of(draw, dark=False):
    """A figure as SVG text for a page: no ground of its own, and text as text.

    Args:
        draw: a function without arguments that returns a figure.
        dark: whether the page is dark. Defaults to False.
    """
    with _drawing({**_STYLE, **_ON_PAGE, **(_ON_DARK if dark else {})}):
        written = io.BytesIO()
        draw().savefig(written, format="svg", metadata={"Date": None})
    text = written.getvalue().decode("utf-8")
    # What stands before the picture itself names an address, and is no part of HTML.
    return re.sub(r"^.*?(?=<svg)", "", text, flags=re.DOTALL)


@contextlib.contextmanager
def _drawing(style):
    import matplotlib

    with matplotlib.rc_context(style), warnings.catch_warnings():
        # Its font has no Chinese and no emoji: an empty box stands there.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        yield


def short_name(name, widest=_WIDEST):
    """A name that may hold anything, on one line and cut to what a figure has room for."""
    name = one_line(name)
    return name if len(name) <= widest else f"{name[: widest - 1]}…"
