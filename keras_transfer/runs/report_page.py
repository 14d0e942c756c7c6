"""One page about a run: `report.html`."""

import pathlib

from keras_transfer._files import write_text_aside
from keras_transfer._text import one_line
from keras_transfer.runs import report_sections
from keras_transfer.runs.verdict import verdict
from keras_transfer.version import __version__

_TEMPLATE = "report.html.jinja"


def write_page(run, path=None):
    """Writes the page: one HTML file that loads nothing.

    Args:
        run: a `Run` that has finished.
        path: the file. Defaults to `report.html` in the folder of the run.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        FileNotFoundError: if the run has not finished.
        ValueError: if one of its files is corrupt.
        OSError: if the page cannot be written.
    """
    path = run.path / "report.html" if path is None else pathlib.Path(path)
    try:
        page = render(run)
    except (KeyError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        raise ValueError(
            f"A file in '{run.path}' is corrupt ({type(error).__name__}: {error})."
        ) from error
    write_text_aside(path, page)
    return path


def render(run):
    """The page as HTML text, in which all names from outside are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_transfer.runs", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
    )
    return environment.get_template(_TEMPLATE).render(
        title=report_sections.title(run),
        subtitle=report_sections.subtitle(run),
        verdict=verdict(run),
        headline=report_sections.headline(run),
        sections=report_sections.sections(run),
        version=__version__,
    )


def _printable(value):
    """Escapes control characters, which would break the text; keeps line breaks."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "\n".join(map(one_line, value.split("\n")))
