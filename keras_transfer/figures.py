"""What all figures have in common."""

import warnings

from keras_transfer.files import write_aside
from keras_transfer.messages import one_line

# Names come from folders: a `$` in one is no formula.
_STYLE = {"text.parse_math": False, "figure.dpi": 120, "font.size": 9}
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
    import matplotlib

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Its font has no Chinese and no emoji: an empty box stands there.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        write_aside(path, lambda aside: figure.savefig(aside, format="png"))


def short_name(name):
    """A name that may hold anything, on one line and cut to what a figure has room for."""
    name = one_line(name)
    return name if len(name) <= _WIDEST else f"{name[: _WIDEST - 1]}…"
