"""One page about a training."""

import pathlib

from keras_transfer._files import write_text_aside
from keras_transfer._text import one_line
from keras_transfer.runs import report_sections
from keras_transfer.runs.run_results import RunResults
from keras_transfer.version import __version__

_TEMPLATE = "report.html.jinja"


def write(run, path=None, model=None):
    """Writes a page about a finished run: one HTML file that holds all it shows.

    It tells the plan and its reasons, the learning curves, what was frozen and how far each
    stage moved, confusion, calibration, the worst mistakes and where the network looked, what
    was found before the training, where the time went, and how to use the model.

    Args:
        run: the folder that `keras-transfer fit` wrote.
        path: the file. Defaults to `report.html` in that folder.
        model: the trained `TransferModel`. Defaults to the one in the folder; the worst
            mistakes are looked at with it.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        FileNotFoundError: if the folder holds no finished run.
        ValueError: if one of its files is damaged.
        OSError: if the page cannot be written.
    """
    results = RunResults(run)
    path = results.directory / "report.html" if path is None else pathlib.Path(path)
    try:
        page = render(results, model)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"A file in '{results.directory}' is damaged ({type(error).__name__}: {error})."
        ) from error
    write_text_aside(path, page)
    return path


def render(results, model=None):
    """The page as HTML text, in which all names from outside are escaped.

    Args:
        results: `RunResults`.
        model: as in `write`.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_transfer.runs", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
    )
    return environment.get_template(_TEMPLATE).render(
        title=report_sections.title(results),
        subtitle=report_sections.subtitle(results),
        headline=report_sections.headline(results),
        sections=report_sections.sections(results, model),
        version=__version__,
    )


def _printable(value):
    """Control characters of names would break the page's text; its own code keeps its lines."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "\n".join(map(one_line, value.split("\n")))
