"""What the commands before a training leave in a run folder: a table, figures and a picture."""

import json
import pathlib

from keras_transfer.files import write_text_aside
from keras_transfer.messages import markdown_table, print_table

# A training in the same folder is not kept from it by these, and its report shows them.
COMMANDS = ("rank", "probe", "recommend", "audit", "find-lr")
SUFFIXES = (".json", ".md", ".png")


def names_of_findings():
    """The names of all files that these commands write."""
    return {f"{command}{suffix}" for command in COMMANDS for suffix in SUFFIXES}


def write_findings(directory, command, values, text, draw):
    """Writes `COMMAND.json`, `COMMAND.md` and `COMMAND.png`, each of them whole.

    Args:
        directory: the run folder; it is made.
        command: which of `COMMANDS`.
        values: what goes into the JSON file.
        text: the Markdown.
        draw: a function that draws a PNG file at the path it is given.

    Returns:
        The paths of the files.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{command}{suffix}" for suffix in SUFFIXES]
    content = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    for path, written in zip(paths, (content, text + "\n"), strict=False):
        write_text_aside(path, written)
    draw(paths[-1])
    return paths


def tell_table(directory, command, result, sentences, draw, values=None):
    """Prints a result with `rows()` as a table, and writes its findings.

    Args:
        directory: the run folder.
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
    paths = write_findings(directory, command, values, text, draw)
    print("\n" + ", ".join(str(path) for path in paths))
