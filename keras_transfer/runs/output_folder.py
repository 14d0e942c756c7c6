"""Where results go, and the findings of commands that examine data before a training."""

import json
import os
import pathlib
import tempfile

from keras_transfer._figures import save_figure
from keras_transfer._files import write_text_aside
from keras_transfer._text import reason_of

# Each command that examines the data writes a JSON file, a Markdown file and a figure; a run in
# the same folder keeps them, and its report shows them.
FINDINGS = ("recommend", "rank", "probe", "find-lr", "audit")
SUFFIXES = (".json", ".md", ".png")


def write_findings(output, command, values, text, figure):
    """Writes `COMMAND.json`, `COMMAND.md` and `COMMAND.png` into a run folder, all or none.

    Args:
        output: the run folder; it is made.
        command: one of `FINDINGS`.
        values: the contents of the JSON file.
        text: the Markdown.
        figure: a `matplotlib.figure.Figure`.

    Returns:
        The paths of the files.

    Raises:
        OSError: if they cannot be written.
    """
    directory = pathlib.Path(output)
    content = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    names = [f"{command}{suffix}" for suffix in SUFFIXES]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=directory) as aside:
            made = [pathlib.Path(aside) / name for name in names]
            write_text_aside(made[0], content)
            write_text_aside(made[1], text + "\n")
            save_figure(figure, made[2])
            for path in made:
                os.replace(path, directory / path.name)
    except OSError as error:
        raise OSError(
            f"The results cannot be written into '{directory}' ({reason_of(error)}). Make "
            "room, or name another folder with --output; the computed features are cached."
        ) from error
    return [directory / name for name in names]


def check_output(output, data=None):
    """Checks where results go, before hours of work.

    Args:
        output: the path of the folder for the results, which need not exist.
        data: the folder of images. Defaults to None.

    Raises:
        ValueError: if it lies within `data`.
        OSError: if nothing can be written there.
    """
    path = pathlib.Path(output).absolute()
    if data is not None and _real(path).is_relative_to(_real(data)):
        raise ValueError(
            "A folder for results within the folder of images would count as a class: name "
            f"another one with --output. Received: DATA '{data}' and --output '{output}'"
        )
    existing = next(place for place in (path, *path.parents) if place.exists())
    if not existing.is_dir():
        raise NotADirectoryError(
            f"'{existing}' is a file; nothing was overwritten. Name another folder with "
            f"--output. Received: --output '{output}'"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Nothing can be written into '{existing}'. Name another folder with --output. "
            f"Received: --output '{output}'"
        )


def _real(path):
    return pathlib.Path(os.path.realpath(path))
