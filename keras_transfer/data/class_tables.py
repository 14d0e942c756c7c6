"""The names of classes, and their colours in masks."""

import collections.abc
import os

_MOST = 255


def read_classes(classes):
    """The names of the classes, their colours or None, and the colour of no class or None.

    Args:
        classes: a list of names; a dict of name to colour, with None for no class; the path of
            a file with a line for each; or None.

    Raises:
        ValueError: if names or colours are not valid.
    """
    if classes is None:
        return None, None, None
    if isinstance(classes, (str, os.PathLike)):
        classes = _of_file(classes)
    if not isinstance(classes, collections.abc.Mapping):
        return _checked_names(list(classes)), None, None
    colors = dict(classes)
    for name, color in colors.items():
        if not _is_color(color):
            raise ValueError(
                "A colour must be three integers from 0 to 255, (red, green, blue). "
                f"Received: {name!r}: {color!r}"
            )
    found = [tuple(color) for color in colors.values()]
    twice = next((color for color in found if found.count(color) > 1), None)
    if twice is not None:
        raise ValueError(f"Two classes have the same colour. Received: {twice}")
    void = colors.pop(None, None)
    return _checked_names(list(colors)), [tuple(c) for c in colors.values()], void


def _is_color(color):
    return (
        isinstance(color, (tuple, list))
        and len(color) == 3
        and all(isinstance(part, int) and 0 <= part <= 255 for part in color)
    )


def _checked_names(names):
    are_texts = all(isinstance(name, str) and name for name in names)
    if not are_texts or len(set(names)) < len(names) or not 2 <= len(names) <= _MOST:
        raise ValueError(
            f"`classes` must be 2 to {_MOST} different names. Received: classes={names!r:.200}"
        )
    return tuple(names)


def _of_file(path):
    """The names, or the dict of colours, in a text file."""
    with open(path, encoding="utf-8-sig") as file:
        rows = [line.split(",") for line in map(str.strip, file) if line]
    rows = [[cell.strip() for cell in row] for row in rows]
    if all(len(row) == 1 for row in rows):
        return [row[0] for row in rows]
    for number, row in enumerate(rows, 1):
        if len(row) != 4 or not all(cell.isdecimal() for cell in row[1:]):
            raise ValueError(
                f"Line {number} of '{path}' must be `name`, or `name,red,green,blue` as all "
                f"others. Received: {','.join(row)!r}"
            )
    names = [row[0] for row in rows]
    if len(set(names)) < len(names):
        raise ValueError(f"'{path}' names a class twice. Received: {names!r:.200}")
    return {row[0] or None: tuple(map(int, row[1:])) for row in rows}
