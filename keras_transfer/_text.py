"""What several commands tell."""

import sys
import unicodedata

# Control characters, halves of characters, and separators of lines.
_NOT_PRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def tell_unreadable(splits):
    """Names each picture that was left out, and why."""
    for path, reason in splits.unreadable:
        print(f"keras-transfer: left out {one_line(path)}: {reason}", file=sys.stderr)


def printable(text):
    """Text of several lines with what would drive a terminal, not show, escaped."""
    return "\n".join(map(one_line, text.split("\n")))


def one_line(name):
    """A name that may hold anything, on one line: a line's end becomes a backslash and an n."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _NOT_PRINTABLE
        else character
        for character in name
    )


def reason_of(error):
    """What an error says, on one line: Keras says it on several."""
    return " ".join(str(error).split()) or type(error).__name__


def markdown_table(rows):
    """Rows of strings as a Markdown table, the first row as its heads; a bar is escaped."""
    heads, *others = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def print_table(rows):
    """Prints rows of strings in columns, the first row as their heads."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
