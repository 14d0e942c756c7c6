"""What several commands tell."""

import sys


def tell_unreadable(splits):
    """Names each picture that was left out, and why."""
    for path, reason in splits.unreadable:
        print(f"keras-transfer: left out {path}: {reason}", file=sys.stderr)


def print_table(rows):
    """Prints rows of strings in columns, the first row as their heads."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
