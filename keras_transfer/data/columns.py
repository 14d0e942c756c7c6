"""The columns of a table that are inputs of a network: numbers and categories."""

import collections.abc

import numpy as np

from keras_transfer.data.metadata import cell
from keras_transfer.data.spellings import MISSING, MOST, is_number, misread, misread_numbers

KINDS = NUMBERS, CATEGORIES = "numbers", "categories"
# Characters of a cell in a warning.
_SHOWN = 30


def kinds_of(rows, columns, file):
    """What each column holds: a dict of name to "numbers" or "categories".

    Args:
        rows: dicts of name to text.
        columns: names, of which the cells decide; or a dict of name to what it holds.
        file: the path of the table, for errors.

    Raises:
        ValueError: if there is no column of a name, or a cell is no number.
    """
    names = _checked_names(rows, columns, file)
    given = columns if isinstance(columns, collections.abc.Mapping) else {}
    wrong = {name: kind for name, kind in given.items() if kind not in KINDS}
    if wrong:
        raise ValueError(f"A column holds one of {KINDS}. Received: {wrong}")
    found = {}
    for name in names:
        cells = [cell_of(row, name) for row in rows]
        kind = given.get(name) or (NUMBERS if _are_numbers(cells) else CATEGORIES)
        if kind == NUMBERS:
            reason = next(filter(None, map(_wrong_number, cells)), None)
            if reason is not None:
                raise ValueError(f"The column {name!r} of '{file}' {reason}")
        found[name] = kind
    return found


def cells_to_predict(rows, kinds, file):
    """The rows of a table that a network can take, and what is wrong with the others.

    Args:
        rows: dicts of name to text.
        kinds: what `kinds_of` returned for the training.
        file: the path of the table.

    Returns:
        A list of `(number, cells)`, the number as a spreadsheet counts, and a list of
        `(place, reason)`.

    Raises:
        ValueError: if there is no column of a name.
    """
    names = _checked_names(rows, kinds, file)
    found, wrong = [], []
    for number, row in enumerate(rows, 2):
        cells = [cell_of(row, name) for name in names]
        reasons = [
            f"the column {name!r} {reason}"
            for name, text in zip(names, cells, strict=True)
            if kinds[name] == NUMBERS and (reason := _wrong_number(text))
        ]
        if reasons:
            wrong.append((f"Row {number} of '{file}'", reasons[0]))
        else:
            found.append((number, cells))
    return found, wrong


def _checked_names(rows, columns, file):
    """The names of columns; raises `ValueError` if the rows do not have each of them."""
    names = [columns] if isinstance(columns, str) else list(columns)
    if not rows:
        raise ValueError(f"'{file}' has no row below its header. Received: {names}")
    unknown = [name for name in names if name not in rows[0]]
    if unknown or not names or len(set(names)) < len(names):
        wrong = f"no columns {unknown}" if unknown else "no such choice of columns"
        raise ValueError(
            f"'{file}' has {wrong}: name each once; its columns are {list(rows[0])}. "
            f"Received: {names}"
        )
    if not all(map(str.strip, names)):
        raise ValueError(f"A column without a name in '{file}': give it one. Received: {names}")
    slashed = [name for name in names if "/" in name]
    if slashed:  # Keras takes no such name of an input
        raise ValueError(f"The name of a column has no '/'. Received: {slashed} in '{file}'")
    return names


def arrays_of(cells, kinds):
    """The inputs of a network: a dict of name to an array of shape `(rows, 1)`.

    Args:
        cells: for each row the texts of its columns.
        kinds: what `kinds_of` returned.
    """
    by_column = list(zip(*cells, strict=True)) or [()] * len(kinds)
    return {
        name: np.array([number_of(text) for text in column], "float32").reshape(-1, 1)
        if kind == NUMBERS
        else np.array(column, object).reshape(-1, 1)
        for (name, kind), column in zip(kinds.items(), by_column, strict=True)
    }


def cell_of(row, column):
    """The text of a cell; "" for a missing value, however it is written."""
    text = cell(row, column)
    return "" if text.lower() in MISSING else text


def number_of(text):
    """The number in a cell; NaN for a missing one."""
    return float(text) if text else np.nan


def column_messages(rows, kinds, columns):
    """A warning about columns that may hold something else than their cells decided, as a list.

    Args:
        rows: dicts of name to text.
        kinds: what `kinds_of` returned.
        columns: what it was given; a dict decides what the columns hold, without a warning.
    """
    if isinstance(columns, collections.abc.Mapping):
        return []
    listed = []
    for name, kind in kinds.items():
        cells = [text for row in rows if (text := cell_of(row, name))]
        looks = misread_numbers(cells) if kind == NUMBERS else misread(cells)
        if looks:
            listed.append(f"{name!r} as {kind} ({looks[0]}: {looks[1][:_SHOWN]!r})")
    if not listed:
        return []
    return [
        f"Check how these columns are read: {', '.join(listed)}. Write numbers and dates as "
        "plain numbers, such as 1234.5. To leave out names and ids, name the other columns "
        "with `columns` or `inputs` (--inputs). In Python a dict, such as {'zip': "
        "'categories'}, decides."
    ]


def _are_numbers(cells):
    """Whether all cells of a column that are not missing are numbers."""
    return any(cells) and all(map(is_number, filter(None, cells)))


def _wrong_number(text):
    """What is wrong with a cell of a column of numbers; None for nothing."""
    if not text:
        return None
    if not is_number(text):
        return f"holds numbers. Received: {text!r}"
    if not abs(float(text)) <= MOST:
        return (
            f"has a number beyond {MOST:g}: leave the cell empty if it is missing, else divide "
            f"the column. Received: {text!r}"
        )
    return None
