"""CSV files about images."""

import collections.abc
import contextlib
import csv
import gzip
import os
import pathlib


def csv_rows(file, columns, header=None):
    """The rows of a CSV file with a header as dicts.

    Args:
        file: its path; UTF-8, with commas, semicolons or tabs between the cells; a suffix
            `.gz` says that it is compressed.
        columns: names that the header must hold: a dict of argument to a name or a list.
        header: the names of the columns if the file has no header. Defaults to None.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a CSV file with these columns.
    """
    file = pathlib.Path(file)
    with _opened_table(file, header) as table:
        rows, found = list(table), list(table.fieldnames or [])
    twice = sorted({name for name in found if name.strip() and found.count(name) > 1})
    if twice:
        raise ValueError(
            f"'{file}' has several columns of one name: rename one of each. Received: {twice}"
        )
    for number, row in enumerate(rows, 1 if header else 2):
        if any(row.get(None, ())):
            raise ValueError(
                f"Row {number} of '{file}' has more cells than the header: put a cell with "
                f"commas in quotes. Received: {row[None]!r}"
            )
    for argument, given in columns.items():
        for column in _names_in(given, argument, file):
            if column not in found:
                raise ValueError(
                    f"'{file}' has no column {column!r}; its columns are {found}. "
                    f"Received: {given!r}"
                )
    return rows


def _names_in(given, argument, file):
    """The names of columns in an argument, which is one name or several."""
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, collections.abc.Sequence):
        raise ValueError(
            f"`{argument}` must be the name of a column of '{file}'. "
            f"Received: {argument}={given!r}"
        )
    return names


def cell(row, column):
    """The text of a cell; "" if the column is None or the row is short."""
    # Under None a row has the cells that it has too many.
    return "" if column is None else (row.get(column) or "").strip()


def column_names(file):
    """The names of the columns of a CSV file with a header."""
    with _opened_table(file) as table:
        return list(table.fieldnames or [])


def first_row(file):
    """The first row below the header of a CSV file as a dict; empty if there is none."""
    with _opened_table(file) as table:
        return next(table, {})


@contextlib.contextmanager
def _opened_table(file, header=None):
    """A `csv.DictReader` of a file; raises as `csv_rows` does."""
    file = pathlib.Path(file)
    if file.exists() and not file.is_file():  # reading a pipe would wait for its writer
        raise ValueError(f"'{file}' is not a file. Received: {os.fspath(file)!r}")
    try:
        opener = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rt", encoding="utf-8-sig", newline="") as opened:
            first = opened.readline()
            opened.seek(0)
            yield csv.DictReader(opened, header, delimiter=max(",;\t", key=first.count))
    except (csv.Error, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise ValueError(
            f"'{file}' is not a CSV file in UTF-8: {error}. Save it as UTF-8. "
            f"Received: {os.fspath(file)!r}"
        ) from error


def read_groups(file, column, directory=None):
    """The groups that a CSV file with a column `path` assigns: a dict from real path to group.

    Args:
        file: the CSV file.
        column: the name of the column with the groups.
        directory: a folder that the paths may be relative to, beside that of the file.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not a CSV file with these columns, or names an image in two groups.
    """
    file = pathlib.Path(file)
    bases = [file.parent, *([] if directory is None else [directory])]
    found: dict = {}
    for row in csv_rows(file, {"path": "path", "column": column}):
        for base in bases if row["path"] else ():
            path = os.path.realpath(os.path.join(base, row["path"]))
            group = row[column] or found.get(path)
            if found.setdefault(path, group) not in (None, group):
                raise ValueError(
                    f"'{file}' names {row['path']!r} in two groups: {found[path]!r} and "
                    f"{group!r}. Received: {column!r}"
                )
            found[path] = group
    return {path: group for path, group in found.items() if group}
