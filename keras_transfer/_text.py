"""Text for terminals and Markdown."""

import difflib
import sys
import unicodedata

# Control characters, surrogates, and line separators.
_NOT_PRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def tell_unreadable(splits):
    """Prints each image that was left out, and the reason."""
    for path, reason in splits.unreadable:
        print(f"keras-transfer: left out {one_line(path)}: {reason}", file=sys.stderr)


def printable(text):
    """Text of several lines with escaped control characters."""
    return "\n".join(map(one_line, text.split("\n")))


def one_line(name):
    """A name that may hold any character, on one line: control characters are escaped."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _NOT_PRINTABLE
        else character
        for character in name
    )


def reason_of(error):
    """The message of an error on one line; Keras' messages have several."""
    return " ".join(str(error).split()) or type(error).__name__


def counted(number, thing, things=None):
    """A number and a noun, in the singular for 1; the plural has an s by default."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def some_of(texts, most):
    """The first texts with commas, and how many more there are."""
    texts = list(texts)
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def did_you_mean(name, known):
    """The names that are similar to a wrong one, as a question after a space; may be empty."""
    close = difflib.get_close_matches(str(name), known, n=3)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def no_run_message(path):
    """The message about a folder that `keras-transfer fit` did not write."""
    return (
        f"'{path}' is not a run folder: it has no 'run.json'. Make one with "
        f"`keras-transfer fit DATA --output {path}`."
    )


def markdown_table(rows):
    """Rows of strings as a Markdown table, the first row its header; bars are escaped."""
    heads, *others = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text_table(rows):
    """Rows of strings as text in columns, the first row its header; each on one line."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def print_table(rows):
    """Prints what `text_table` returns."""
    print(text_table(rows))
