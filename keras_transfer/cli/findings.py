"""What the commands before a training leave in a run folder: a table, figures and a picture."""

import json
import os
import pathlib
import tempfile

from keras_transfer._files import write_text_aside
from keras_transfer._text import markdown_table, one_line, print_table, reason_of

# A training in the same folder is not kept from it by these, and its report shows them.
COMMANDS = ("rank", "probe", "recommend", "audit", "find-lr")
SUFFIXES = (".json", ".md", ".png")


def names_of_findings():
    """The names of all files that these commands write."""
    return {f"{command}{suffix}" for command in COMMANDS for suffix in SUFFIXES}


def write_findings(options, command, values, text, draw):
    """Writes `COMMAND.json`, `COMMAND.md` and `COMMAND.png`: all of them, or none.

    Args:
        options: of the command, with `output`, the run folder, which is made, and `data`.
        command: which of `COMMANDS`.
        values: what goes into the JSON file, beside which pictures it is about.
        text: the Markdown.
        draw: a function that draws a PNG file at the path it is given.

    Returns:
        The paths of the files.

    Raises:
        OSError: if they cannot be written.
    """
    directory = pathlib.Path(options.output)
    values = {"data": os.path.abspath(options.data), **values}
    content = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    names = [f"{command}{suffix}" for suffix in SUFFIXES]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=directory) as aside:
            made = [pathlib.Path(aside) / name for name in names]
            for path, written in zip(made, (content, text + "\n"), strict=False):
                write_text_aside(path, written)
            draw(made[-1])
            for path in made:
                os.replace(path, directory / path.name)
    except OSError as error:
        raise OSError(
            f"The results cannot be written into '{directory}' ({reason_of(error)}). Make "
            "room, or name another folder with --output; what was computed is in the cache."
        ) from error
    return [directory / name for name in names]


def tell_table(options, command, result, sentences, draw, values=None):
    """Prints a result with `rows()` as a table, and writes its findings.

    Args:
        options: as in `write_findings`.
        command: which of `COMMANDS`.
        result: what has `rows()` and `to_json()`.
        sentences: what is said below the table.
        draw: as in `write_findings`.
        values: what goes into the JSON file. Defaults to `result.to_json()`.
    """
    rows = result.rows()
    print_table(rows)
    print()
    for sentence in sentences:
        print(sentence)
    text = "\n\n".join([markdown_table(rows), *sentences])
    values = result.to_json() if values is None else values
    paths = write_findings(options, command, values, text, draw)
    print("\n" + ", ".join(one_line(str(path)) for path in paths))
