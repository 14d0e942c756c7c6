"""What the columns of a table say about each example: a class, several labels, or numbers."""

import collections
import dataclasses
import math
import re

import numpy as np

from keras_transfer.data.spellings import IDS, MISSING, misread, out_of_range

TASKS = ("classes", "labels", "numbers")
_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
_MINUS = ("-1", "-1.0")
# What may separate several labels in a cell; the first that a cell contains does.
_SEPARATORS = (";", "|", ",", " ")
# With more different values, integers are measurements.
_MOST_CLASSES = 20
# Up to so many different integers are classes without a warning.
_FEW_CLASSES = 5
# Of the cells. If so many hold numbers, the others are errors.
_MOST = 0.9


@dataclasses.dataclass(frozen=True)
class Targets:
    """The targets of the rows of a table.

    Attributes:
        task: one of `TASKS`.
        names: of the labels or the numbers; empty for classes.
        rows: for each row the name of its class, or a tuple with a number for each name.
        messages: of warnings.
    """

    task: str
    names: tuple
    rows: tuple
    messages: tuple = ()


def read_targets(cells, columns, task, file, names=None):
    """The `Targets` in the cells of a table.

    Args:
        cells: for each row a list with the text of each column.
        columns: the names of the columns.
        task: one of `TASKS`, or None: the cells decide.
        file: the path of the table, for errors.
        names: the classes, labels or numbers of a trained model, which these cells are to
            measure: they need not vary. Defaults to None.

    Raises:
        ValueError: if a cell does not fit, or the cells do not decide.
    """
    if task not in (None, *TASKS):
        raise ValueError(f"`task` must be one of {TASKS} or None. Received: task={task!r}")
    decided = task or _task_of(cells, columns, file)
    if decided == "classes":
        found = _classes(cells, columns, file, task)
    elif decided == "labels":
        found = _labels(cells, columns, file, names)
    else:
        found = _numbers(cells, columns, file, names)
    if names is not None:  # the training raised the warnings
        return dataclasses.replace(found, messages=())
    doubts = () if task else _doubts(decided, columns, _filled(cells))
    return dataclasses.replace(found, messages=(*found.messages, *doubts))


def _doubts(decided, columns, filled):
    """A message about whole numbers, which may be measurements or classes."""
    if decided == "numbers" and all(map(_is_whole, filled)):
        named = ", ".join(columns)
        yield (
            f"The whole numbers of '{named}' are taken as measurements, since there are more "
            f"than {_MOST_CLASSES} different ones: pass `task='classes'` (--task classes) if "
            "they are classes."
        )
    if decided == "classes" and _may_be_measured(filled):
        yield (
            f"The whole numbers of '{columns[0]}' are taken as classes, since there are only "
            f"{len({*filled})} different ones: pass `task='numbers'` (--task numbers) if they "
            "are measurements."
        )


def _may_be_measured(filled):
    """Whether classes are whole numbers that do not just count up, as codes of classes do."""
    if not all(map(_is_whole, filled)):
        return False
    values = sorted({int(float(cell)) for cell in filled})
    return len(values) > _FEW_CLASSES and values[-1] - values[0] >= len(values)


def are_marks(cells):
    """Whether all cells are 0 or 1, yes or no, or -1 or 1."""
    values = {cell.lower() for row in cells for cell in row}
    return bool(values) and (values <= {*_YES, *_NO} or values <= {*_YES, *_MINUS})


def _task_of(cells, columns, file):
    """The task that the cells decide; raises `ValueError` if they do not."""
    if len(columns) > 1:
        return "labels" if are_marks(cells) else _task_of_columns(cells, columns, file)
    filled = [cell for cell in _filled(cells) if cell.lower() not in MISSING]
    different = sorted(set(filled))
    if _are_numbers(filled):
        return "numbers"
    looks, example = misread(filled) or (None, None)
    if looks not in (None, IDS) and (len(different) > _MOST_CLASSES or "," in example):
        raise ValueError(
            f"The column {columns[0]!r} of '{file}' may hold {looks}: write numbers as 1234.5, "
            "or pass `task='classes'` or `task='labels'` (--task) if it holds none. "
            f"Received: {example!r}"
        )
    if any(re.fullmatch(r"\[.*\]", cell) for cell in different):
        return "labels"
    for separator in _SEPARATORS:
        if any(separator in cell for cell in different):
            found = _task_by(separator, different)
            if found is None:
                example = next(cell for cell in different if separator in cell)
                raise ValueError(
                    f"The column {columns[0]!r} of '{file}' may hold one class or several "
                    "labels in a cell: pass `task='classes'` or `task='labels'` (--task). "
                    f"Received: {example!r}"
                )
            return found
    if looks == IDS:
        raise ValueError(
            f"The column {columns[0]!r} of '{file}' holds {IDS}: name the column with the "
            f"class with `targets` (--targets COLUMN). Received: {example!r}"
        )
    return "classes"


def _task_of_columns(cells, columns, file):
    values = {cell.lower() for cell in _filled(cells)}
    if values and values <= {*_YES, *_NO, *_MINUS}:
        if values & {*_MINUS}:
            raise ValueError(
                f"The columns {list(columns)} of '{file}' hold 1, 0 and -1, where -1 may mean "
                "unknown: write 1 or 0 into each cell, or pass `task='numbers'` (--task). "
                f"Received: {list(columns)}"
            )
        return "labels"  # with an empty cell, which its reader reports
    return "numbers"


def _are_numbers(filled):
    """Whether most cells are numbers, and these measurements rather than codes of classes."""
    numbers = [cell for cell in filled if _number(cell) is not None]
    if not numbers or len(numbers) < _MOST * len(filled):
        return False
    if any(re.fullmatch(r"0\d+", cell) for cell in numbers):
        return False  # a code
    return not all(map(_is_whole, numbers)) or len(set(map(float, numbers))) > _MOST_CLASSES


def _task_by(separator, different):
    """Whether a separator stands between labels or within the names of classes, or None."""
    if separator in ";|":
        return "labels"
    parts = [_split(cell, separator) for cell in different]
    counts = collections.Counter(piece for pieces in parts for piece in set(pieces))
    if separator == " ":
        if len(counts) > len(different):
            return "classes"
        varies = len(set(map(len, parts))) > 1
        return "labels" if varies and len(counts) < len(different) else None
    if max(counts.values()) == 1:
        return "classes"
    stands_alone = any(len(pieces) == 1 and counts[pieces[0]] > 1 for pieces in parts)
    return "labels" if stands_alone or len(counts) < len(different) else None


def _classes(cells, columns, file, task):
    if len(columns) > 1:
        raise ValueError(
            f"The class of an example stands in one column. Received: {list(columns)}"
        )
    found = [cell for (cell,) in cells]
    return Targets(
        "classes", (), tuple(found), tuple(check_classes(found, *columns, file, task))
    )


def check_classes(cells, column, file, task=None):
    """Warnings about classes such as "NA", which may also mean that the class is missing.

    Args:
        cells: the text of each row.
        column: the name of the column, for messages, as the next one.
        file: the path of the table.
        task: "classes" if the user says so of all cells.

    Raises:
        ValueError: if a row has no class.
    """
    where = f"has no class in its column {column!r}: remove the row"
    for number, cell in enumerate(cells, 2):
        if not cell:
            raise wrong_row(file, number, where, cell)
    missing = [number for number, cell in enumerate(cells, 2) if cell.lower() in MISSING]
    if not missing:
        return []
    first = cells[missing[0] - 2]
    if task is None:
        may = "or pass `task='classes'` (--task classes) if this is a class"
        raise wrong_row(file, missing[0], f"{where}, {may}", first)
    return [
        f"{first!r} in the column {column!r} is a class, since `task` is 'classes': "
        f"{len(missing)} rows, the first one row {missing[0]}."
    ]


def _labels(cells, columns, file, known=None):
    if len(columns) == 1 and not are_marks(cells):
        return _listed_labels(cells, columns[0], file, known)
    for number, row in enumerate(cells, 2):
        for column, cell in zip(columns, row, strict=True):
            if not are_marks([[cell]]):
                raise wrong_row(file, number, f"needs 0 or 1 in its column {column!r}", cell)
    rows = tuple(tuple(float(cell.lower() in _YES) for cell in row) for row in cells)
    return Targets("labels", tuple(columns), rows, tuple(_rare(rows, columns)))


def _listed_labels(cells, column, file, known=None):
    """Labels that a cell lists; an empty cell lists none."""
    texts = ["" if cell.lower() in MISSING else cell.strip("[]") for (cell,) in cells]
    separator = next((one for one in _SEPARATORS if any(one in text for text in texts)), ";")
    sets = [{piece.strip("'\"") for piece in _split(text, separator)} for text in texts]
    names = tuple(sorted(set(known or ()).union(*sets)))
    if not names:
        raise ValueError(
            f"The column {column!r} of '{file}' has no label in any row. Received: {column!r}"
        )
    rows = tuple(tuple(float(name in found) for name in names) for found in sets)
    empty = [number for number, found in enumerate(sets, 2) if not found]
    messages = list(_rare(rows, names))
    if empty:
        messages.append(
            f"An empty cell means none of the labels: {len(empty)} in the column {column!r}, "
            f"the first in row {empty[0]}."
        )
    return Targets("labels", names, rows, tuple(messages))


def _rare(rows, names):
    """Messages about labels of one row, as a typing error makes them."""
    for index, name in enumerate(names):
        found = [number for number, row in enumerate(rows, 2) if row[index]]
        if len(found) == 1:
            yield f"Only row {found[0]} has the label '{name}'."


def _numbers(cells, columns, file, known=None):
    rows = []
    for number, row in enumerate(cells, 2):
        values = tuple(map(_number, row))
        for column, cell, value in zip(columns, row, values, strict=True):
            if value is None or not math.isfinite(value):
                what = "finite number" if value is not None else "number"
                how = "write it as 1234.5, or remove the row"
                raise wrong_row(
                    file, number, f"has no {what} in its column {column!r}: {how}", cell
                )
        rows.append(values)
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        if known is None and len(set(values)) == 1:
            raise ValueError(
                f"The column {column!r} of '{file}' holds the same number in all rows: there "
                f"is nothing to learn. Received: {values[0]:g}"
            )
        wrong = None if known else out_of_range(np.array(values))
        if wrong is not None:
            raise ValueError(
                f"The numbers of the column {column!r} of '{file}' {wrong}. "
                f"Received: {max(values, key=abs):.10g}"
            )
    return Targets("numbers", tuple(columns), tuple(rows))


def wrong_row(file, number, what, received):
    """The `ValueError` about a row, by its number in a spreadsheet."""
    return ValueError(f"Row {number} of '{file}' {what}. Received: {received!r}")


def _filled(cells):
    return [cell for row in cells for cell in row if cell]


def _split(cell, separator):
    return [piece.strip() for piece in cell.split(separator) if piece.strip()]


def _number(cell):
    try:
        return float(cell)
    except ValueError:
        return None


def _is_whole(cell):
    value = _number(cell)
    return value is not None and math.isfinite(value) and value == math.floor(value)
